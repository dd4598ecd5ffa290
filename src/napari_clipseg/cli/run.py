"""What ``napari-clipseg segment`` does with all images of a job."""

from __future__ import annotations

import csv
import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from napari_clipseg.atomic import atomic_path, writable_folder
from napari_clipseg.cli.inputs import find_images
from napari_clipseg.cli.names import recipe_name, result_names
from napari_clipseg.cli.one_image import ImageRun, JobRun, found_before, segment_image
from napari_clipseg.cli.reading import example_of, naming, open_picture, prompts_of
from napari_clipseg.cli.segment import SegmentJob, SomeFailed
from napari_clipseg.engine.allocator import give_back, share_arenas
from napari_clipseg.engine.banded import Found
from napari_clipseg.engine.devices import choose_precision
from napari_clipseg.engine.prompts import TextPrompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import ClipSegError, OutputError
from napari_clipseg.model.checkpoint import load_streamed

SUMMARY = "summary.csv"
COLUMNS = ("file", "status", "message", "seconds", "prompt", "objects", "area_px")


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How one image went: ``done``, ``skipped`` or ``failed``, and what was found by prompt."""

    path: Path
    status: str
    message: str
    seconds: float
    found: tuple[tuple[str, Found], ...]

    def rows(self) -> list[list[str]]:
        """Return the lines of the summary, one for each prompt and one of a failed image."""
        start = [str(self.path), self.status, self.message, f"{self.seconds:.2f}"]
        results = [[name, str(f.objects), str(f.area_px)] for name, f in self.found]
        return [[*start, *each] for each in results or [["", "", ""]]]


def run_job(job: SegmentJob) -> None:
    """Segment every image of a job, with one line on stdout for each image and prompt.

    Raises
    ------
    SomeFailed
        If some of several images failed; the others have their results.
    ClipSegError, FileNotFoundError
        If the job itself cannot be done, or its only image.
    """
    share_arenas()
    try:
        _run(job)
    finally:
        give_back()


def _run(job: SegmentJob) -> None:
    images = find_images(job.images, job.output)
    _check_inputs(job, images)
    example = example_of(job)
    if len(images) == 1:
        prompts_of(job, open_picture(job, images[0]), example)
    for folder in (job.output, job.features):
        if folder is not None:
            writable_folder(folder)
    shared = JobRun(job, _segmenter(job), example)
    _warn_of_unknown(job, shared.segmenter)
    _say_what_is_not_repeated(job, shared.segmenter)
    if len(images) == 1:
        _summarise(job, [_segment(shared, images[0])])
        return
    outcomes: list[Outcome] = []
    try:
        outcomes.extend(_tried(shared, path) for path in images)
    finally:
        _summarise(job, outcomes)
    failed = sum(each.status == "failed" for each in outcomes)
    if failed:
        raise SomeFailed(f"{failed} of {len(images)} images failed, see {job.output / SUMMARY}")


def _segmenter(job: SegmentJob) -> Segmenter:
    dtype = choose_precision(job.precision)
    model = load_streamed(job.model, backbone=job.backbone, dtype=dtype)
    segmenter = Segmenter(
        model,
        device=job.device,
        precision=job.precision,
        tile=job.tile,
        overlap=job.overlap,
        zoom=job.zoom,
        batch=job.batch,
    )
    segmenter.model_name = "in memory" if job.backbone else job.model
    give_back()
    return segmenter


def _warn_of_unknown(job: SegmentJob, segmenter: Segmenter) -> None:
    """Say which texts the model never learned: it answers them all the same."""
    for text in job.prompt:
        knowledge = segmenter.knows(text)
        if knowledge is not None and not knowledge.known:
            click.echo(f"napari-clipseg: {knowledge}", err=True)


def _say_what_is_not_repeated(job: SegmentJob, segmenter: Segmenter) -> None:
    if job.recipe is not None:
        for remark in job.recipe.remarks(job, segmenter):
            click.echo(f"{job.recipe.path}: {remark}", err=True)


def _tried(shared: JobRun, path: Path) -> Outcome:
    """Return how an image went, whatever happens to it."""
    started = time.perf_counter()
    try:
        return _segment(shared, path)
    except (ClipSegError, OSError, MemoryError) as error:
        message = " ".join(str(error).split())
        click.echo(f"napari-clipseg: {path.name}: {message}", err=True)
        return Outcome(path, "failed", message, time.perf_counter() - started, ())


def _segment(shared: JobRun, path: Path) -> Outcome:
    started = time.perf_counter()
    run = ImageRun.of(shared, path)
    with naming(path, run.picture):
        found = found_before(run) if shared.job.resume else None
        status = "done" if found is None else "skipped"
        found = segment_image(run) if found is None else found
    if status == "skipped":
        click.echo(f"{path.name}  skipped, it is done")
    names = [prompt.name for prompt in run.prompts]
    seconds = time.perf_counter() - started
    return Outcome(path, status, "", seconds, tuple(zip(names, found, strict=True)))


def _summarise(job: SegmentJob, outcomes: Sequence[Outcome]) -> None:
    with (
        atomic_path(job.output / SUMMARY) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows(row for outcome in outcomes for row in outcome.rows())


def _check_inputs(job: SegmentJob, images: Sequence[Path]) -> None:
    """Refuse a job whose texts say nothing or whose results would replace inputs or each other."""
    for text in job.prompt:
        TextPrompt(text, job.template)
    support = [each for each in (job.support_mask, job.support_image) if each]
    for path in support:
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
    files = [
        job.output / name
        for path in images
        for name in (*result_names(job, path), recipe_name(job, path))
    ]
    inputs = {path.resolve() for path in (*images, *support)}
    for file in files:
        if file.resolve() in inputs:
            raise OutputError(f"{file} is an input and would be replaced; choose another folder")
    _check_names(job, files)


def _check_names(job: SegmentJob, files: Sequence[Path]) -> None:
    """Refuse results that would replace each other, or of whose name there is a folder."""
    # on many disks small and capital letters are the same
    counts = Counter(str(file).casefold() for file in files)
    twice = [file for file in files if counts[str(file).casefold()] > 1]
    if twice:
        raise OutputError(
            f"two images would both be written to {twice[0]}; run them one by one, each with an "
            "--output of its own"
        )
    for file in (*files, job.output / SUMMARY):
        if file.exists() and file.is_dir() != (file.suffix == ".zarr"):
            kind, wanted = ("folder", "file") if file.is_dir() else ("file", "folder")
            raise OutputError(
                f"{file} is a {kind}, where a {wanted} is to be written; rename it, or choose "
                "another --output"
            )
