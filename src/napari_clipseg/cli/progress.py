"""A progress bar where a person looks on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

import click

from napari_clipseg.engine.banded import Found
from napari_clipseg.engine.decoding import TileDone


def watch(run: Iterable[TileDone], title: str) -> float:
    """Finish a run and return the seconds it took; a bar is drawn if stderr is a terminal."""
    started = time.perf_counter()
    with click.progressbar(
        length=1, label=title, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for done in run:
            bar.length = done.total
            bar.update(1)
    return time.perf_counter() - started


def summary(found: Found, pixels: int) -> str:
    """Return what a person wants to know first of labels on so many pixels."""
    count = found.objects
    return (
        f"{count} object{'' if count == 1 else 's'}, {found.area_px / pixels:.1%} of the area, "
        f"peak probability {found.peak:.2f}"
    )
