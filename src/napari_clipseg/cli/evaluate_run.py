"""What ``napari-clipseg evaluate`` and ``study`` do: data set, models, files."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from napari_clipseg.atomic import atomic_path, writable_folder
from napari_clipseg.cli.evaluate import EvaluateJob
from napari_clipseg.cli.study import StudyJob
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import SettingError, UnknownName
from napari_clipseg.evaluate.benchmark import (
    ABSENT_WORDS,
    Benchmark,
    BenchmarkOptions,
    pictures_of,
)
from napari_clipseg.evaluate.pages import table, write_report
from napari_clipseg.evaluate.report import Origin, Report
from napari_clipseg.evaluate.studies import Effect, VisualPromptStudy
from napari_clipseg.model.baselines import load_baseline
from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet
from napari_clipseg.train.readers.formats import READERS


def run_evaluation(job: EvaluateJob) -> Report:
    """Measure the models, print the table and write the results.

    Raises
    ------
    ClipSegError, FileNotFoundError
        If the data set, a model or a picture cannot be used, or nothing could be measured.
    """
    names = short_names([*job.model, *map(str, job.baseline)])
    data = read_data(job.dataset, job.format, job.split)
    if job.fold is not None:
        data = _fold_of(data, job.fold)
    writable_folder(job.output)
    options = BenchmarkOptions(job.task, job.limit, job.absent or ABSENT_WORDS, job.contrast)
    segmenters = dict(zip(names, _segmenters(job), strict=True))
    benchmark = Benchmark(data, segmenters, options)
    with progress(benchmark.pictures, data.name) as pictures:
        for picture in pictures:
            benchmark.take(picture)
    origin = Origin(str(job.dataset), job.format, job.split, job.fold)
    report = Report.of(benchmark, origin)
    write_report(report, benchmark.gallery.sheet(), job.output)
    click.echo(table(report))
    click.echo(f"all results are in {job.output}")
    return report


def read_data(folder: Path, name: str, split: str) -> AnnotatedSet:
    """Return the data set of a folder.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    UnknownName
        If there is no format of that name.
    ConfigError
        If the folder is not of that format or has no such split.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if name not in READERS:
        raise UnknownName(f"format {name!r} is unknown; there are {', '.join(READERS)}")
    return READERS[name](folder, split)


@contextmanager
def progress(pictures: tuple[Annotated, ...], title: str) -> Iterator[Iterator[Annotated]]:
    """Give the pictures one by one, with a bar where a person looks on."""
    with click.progressbar(
        pictures, label=title, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield iter(bar)


def short_names(given: Sequence[str]) -> list[str]:
    """Return what models are called in a table: as much of their paths as tells them apart.

    Raises
    ------
    SettingError
        If two are the same.
    """
    whole = [Path(each).with_suffix("") if Path(each).is_file() else Path(each) for each in given]
    for depth in range(1, 1 + max(len(path.parts) for path in whole)):
        names = ["/".join(path.parts[-depth:]) for path in whole]
        if len(set(names)) == len(names):
            return names
    raise SettingError(
        f"a model is named twice among {', '.join(given)}: name each --model and --baseline once"
    )


def _segmenters(job: EvaluateJob) -> Iterator[Segmenter]:
    for name in job.model:
        yield Segmenter(name, device=job.device, zoom=job.zoom)
    for path in job.baseline:
        yield Segmenter(load_baseline(path), device=job.device, zoom=job.zoom)


def _fold_of(data: AnnotatedSet, fold: int) -> AnnotatedSet:
    """Return the data set with the classes of one fold."""
    if not data.folds:
        raise SettingError(f"{data.name} has no folds; those of Pascal VOC and COCO do")
    concepts = {name: data.concepts[name] for name in data.folds[fold]}
    return dataclasses.replace(data, concepts=concepts, folds=())


def run_visual_prompt_study(job: StudyJob) -> tuple[Effect, ...]:
    """Print and write the effect of every way to point at an object.

    Raises
    ------
    ClipSegError, FileNotFoundError
        If the data set, the model or a picture cannot be used, or no picture shows enough.
    """
    data = read_data(job.dataset, job.format, job.split)
    writable_folder(job.output)
    study = VisualPromptStudy(load_model(job.model), data, job.word)
    with progress(pictures_of(data, job.limit), data.name) as pictures:
        for picture in pictures:
            study.take(picture)
    effects = study.effects()
    lines = [f"| {each.variant} | {each.gain:+.2f} |" for each in effects]
    click.echo("\n".join(["| prompt image | gain in % |", "|---|---|", *lines]))
    click.echo(f"mean over {effects[0].objects} objects of {data.name}, model {job.model}")
    with atomic_path(job.output / "visual-prompts.json") as unfinished:
        unfinished.write_text(json.dumps([dataclasses.asdict(each) for each in effects], indent=2))
    return effects
