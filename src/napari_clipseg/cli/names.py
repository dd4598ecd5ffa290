"""The names of a job's results."""

from __future__ import annotations

import re
from pathlib import Path

from napari_clipseg.cli.segment import SegmentJob
from napari_clipseg.io.results import FORMATS

LONGEST_NAME = 60
"""Characters of a prompt that go into a file name; file systems allow about 255 in all."""


def stems(job: SegmentJob, image: Path) -> list[str]:
    """Return the name of each prompt's results, without what comes after the prompt's name."""
    names = [_file_name(name) for name in _prompt_names(job)]
    # on many disks small and capital letters are the same
    if len({name.casefold() for name in names}) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, 1)]
    return [f"{_stem(job, image)}.{name}" for name in names]


def result_names(job: SegmentJob, image: Path) -> list[str]:
    """Return the names of all results of an image but its recipe."""
    return [name for stem in stems(job, image) for name in FORMATS[job.format].names(stem)]


def recipe_name(job: SegmentJob, image: Path) -> str:
    """Return the name of an image's recipe."""
    return f"{_stem(job, image)}.recipe.json"


def _stem(job: SegmentJob, image: Path) -> str:
    """Return how all names begin: results of one plane do not replace those of another."""
    plane = "".join(f"-{index}" for index in job.plane or ())
    return re.sub(r"\.ome$", "", image.stem) + (f".plane{plane}" if plane else "")


def _prompt_names(job: SegmentJob) -> list[str]:
    if job.mix is not None:
        return [f"{text} example" for text in job.prompt]
    return [*job.prompt, *(["example"] if job.support_mask else [])]


def _file_name(name: str) -> str:
    """Return a name made of letters (of any script), digits and hyphens."""
    return re.sub(r"[\W_]+", "-", name).strip("-")[:LONGEST_NAME] or "prompt"
