"""What ``napari-clipseg segment`` does: files, engine, files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from napari_clipseg.cli.answer import Result, ask, result_files
from napari_clipseg.cli.segment import SegmentJob
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt
from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import ImageError, OutputError
from napari_clipseg.io.atomic import atomic_path, writable_folder
from napari_clipseg.io.tiff import Picture, read_picture
from napari_clipseg.model.checkpoint import load_model

LONGEST_NAME = 60
"""Characters of a prompt that go into a file name; file systems allow about 255 in all."""


def run_job(job: SegmentJob) -> None:
    """Segment every image of a job, with one line on stdout for each image and prompt.

    Raises
    ------
    ClipSegError, FileNotFoundError
        At the first file or setting that cannot be used. Finished images keep their results.
    """
    for path in _inputs(job):
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
    _check_outputs(job)
    first = read_picture(job.images[0], job.plane)
    _prompts(job, first)
    writable_folder(job.output)
    segmenter = _segmenter(job)
    for path in job.images:
        _segment_file(job, path, segmenter)


def _segmenter(job: SegmentJob) -> Segmenter:
    model = load_model(job.model, backbone=job.backbone) if job.backbone else job.model
    return Segmenter(
        model,
        device=job.device,
        precision=job.precision,
        tile=job.tile,
        overlap=job.overlap,
        zoom=job.zoom,
        batch=job.batch,
    )


def _segment_file(job: SegmentJob, path: Path, segmenter: Segmenter) -> None:
    picture = read_picture(path, job.plane)
    prompts = _prompts(job, picture)
    contrast = Pixels(picture.data, contrast=job.contrast).contrast
    threshold = segmenter.threshold if job.threshold is None else job.threshold
    out, seconds = ask(segmenter, picture, prompts, contrast=contrast, title=path.name)
    for prompt, stem, probability in zip(prompts, _stems(job, path), out, strict=True):
        result = Result.of(probability, threshold, job.min_size)
        result.write(stem, picture.pixel_size)
        click.echo(f"{path.name}  {prompt.name}: {result.summary()}, {seconds:.1f} s")
    with atomic_path(_recipe_file(job, path)) as unfinished:
        unfinished.write_text(Recipe.of(segmenter, prompts, contrast, threshold).to_json())


def _prompts(job: SegmentJob, picture: Picture) -> Sequence[TextPrompt | MaskPrompt | Mix]:
    """Return the prompts of a job; a support mask without an image belongs to the picture."""
    texts = [TextPrompt(text) for text in job.prompt]
    if job.support_mask is None:
        return texts
    support = picture if job.support_image is None else read_picture(job.support_image)
    mask = read_picture(job.support_mask).data
    if mask.ndim == 3:
        raise ImageError(f"{job.support_mask}: a support mask is a grey image, not one in colour")
    contrast = job.contrast if job.support_image is None else "auto"
    example = MaskPrompt(support.data, mask, contrast)
    if job.mix is None:
        return [*texts, example]
    return [Mix(text, example, job.mix) for text in texts]


def _inputs(job: SegmentJob) -> list[Path]:
    return [*job.images, *(each for each in (job.support_mask, job.support_image) if each)]


def _check_outputs(job: SegmentJob) -> None:
    """Refuse a job whose results would replace its inputs or each other."""
    files = [file for path in job.images for file in _outputs(job, path)]
    twice = [file for file, count in Counter(files).items() if count > 1]
    if twice:
        raise OutputError(f"two images would both be written to {twice[0]}; run them one by one")
    inputs = {path.resolve() for path in _inputs(job)}
    for file in files:
        if file.resolve() in inputs:
            raise OutputError(f"{file} is an input and would be replaced; choose another folder")


def _outputs(job: SegmentJob, image: Path) -> list[Path]:
    results = [file for stem in _stems(job, image) for file in result_files(stem)]
    return [*results, _recipe_file(job, image)]


def _recipe_file(job: SegmentJob, image: Path) -> Path:
    return job.output / f"{image.stem}.recipe.json"


def _stems(job: SegmentJob, image: Path) -> list[Path]:
    """Return the path of each prompt's results, without what comes after the prompt's name."""
    names = [_file_name(name) for name in _prompt_names(job)]
    if len(set(names)) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, 1)]
    return [job.output / f"{image.stem}.{name}" for name in names]


def _prompt_names(job: SegmentJob) -> list[str]:
    if job.mix is not None:
        return [f"{text} example" for text in job.prompt]
    return [*job.prompt, *(["example"] if job.support_mask else [])]


def _file_name(name: str) -> str:
    """Return a name made of letters (of any script), digits and hyphens."""
    return re.sub(r"[\W_]+", "-", name).strip("-")[:LONGEST_NAME] or "prompt"
