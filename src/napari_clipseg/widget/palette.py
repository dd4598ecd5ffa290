"""Colours of prompts: distinct, and told apart by colour-blind eyes too.

References
----------
Okabe & Ito 2008, "Color Universal Design" (the first seven; their black is of no use on images).
Paul Tol 2021, "Colour schemes", SRON/EPS/TN/09-002, scheme "muted" (the others).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

PALETTE: dict[str, str] = {
    "orange": "#e69f00",
    "sky blue": "#56b4e9",
    "green": "#009e73",
    "yellow": "#f0e442",
    "purple": "#cc79a7",
    "vermilion": "#d55e00",
    "blue": "#0072b2",
    "cyan": "#88ccee",
    "teal": "#44aa99",
    "sand": "#ddcc77",
    "rose": "#cc6677",
    "violet": "#aa4499",
}
"""Name -> colour as "#rrggbb", in the order in which they are given out."""


def next_color(used: Iterable[str]) -> str:
    """Return the first colour of the palette that is not used yet, else the least used one."""
    counts = Counter(color.lower() for color in used)
    return min(PALETTE.values(), key=lambda color: counts[color])
