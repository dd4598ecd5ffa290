"""What the status lines say of runs, sizes and times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_clipseg.io.identity import readable_size

if TYPE_CHECKING:
    from napari_clipseg.engine.features import Features
    from napari_clipseg.widget.estimate import Work
    from napari_clipseg.widget.events import Progress
    from napari_clipseg.widget.pace import Pace
    from napari_clipseg.widget.run import Run

SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)\. ")
"""Abbreviations end no sentence."""


def encoded(features: Features, pace: Pace) -> str:
    """Return e.g. "encoded, 1,444 tiles, 268 MB; a new prompt takes about 2 s"."""
    missing, total = features.missing(), features.tiles
    tiles = f"{total - missing:,} of {total:,}" if missing else _tiles(total)
    text = f"encoded, {tiles}, {readable_size(features.nbytes * _share(features, missing))}"
    if pace.decode is None:
        return text
    seconds = pace.decode * (total - missing)
    return f"{text}; a new prompt takes about {duration(seconds)}"


def estimated(work: Work, pace: Pace, prompts: int, device: str) -> str:
    """Return e.g. "about 40 s on cpu (1,444 tiles on 25 planes to encode)"."""
    seconds = work.encode * (pace.encode or 0.0) + work.decode * prompts * (pace.decode or 0.0)
    where = f" on {work.planes} planes" if work.planes > 1 else ""
    todo = f"{_tiles(work.encode or work.decode)}{where}"
    todo += " to encode" if work.encode else ", encoded already"
    return f"about {duration(seconds)} on {device} ({todo})"


def working(run: Run, progress: Progress) -> str:
    """Return which tile of how many is done, and of which plane."""
    verb = "Encoding" if progress.encoding else "Decoding"
    text = f"{verb}: tile {progress.done:,} of {progress.total:,}"
    planes = len(run.planes)
    return text if planes == 1 else f"{text}, plane {progress.task.number} of {planes}"


def duration(seconds: float) -> str:
    """Return a time for people: "0.2 s", "40 s", "3 min", "2 h"."""
    if seconds < 1:
        return f"{max(seconds, 0.1):.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def sentence(error: BaseException | str) -> str:
    """Return the first sentence of an error, for a place where there is room for one."""
    first = SENTENCE_END.split(str(error), maxsplit=1)[0].rstrip(".")
    return f"{first[:1].upper()}{first[1:]}."


def _share(features: Features, missing: int) -> float:
    return 1 - missing / features.tiles if features.tiles else 0.0


def _tiles(count: int) -> str:
    return f"{count:,} {'tile' if count == 1 else 'tiles'}"
