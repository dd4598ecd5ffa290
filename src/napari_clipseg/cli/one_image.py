"""One image file of a job: read, segmented band by band, written whole or not at all."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from napari_clipseg.atomic import replace, working_folder
from napari_clipseg.cli.names import recipe_name, result_names, stems
from napari_clipseg.cli.progress import summary, watch
from napari_clipseg.cli.reading import open_picture, prompts_of
from napari_clipseg.cli.segment import SegmentJob
from napari_clipseg.engine.allocator import give_back, giving_back
from napari_clipseg.engine.banded import Found, label_bands
from napari_clipseg.engine.decoding import TileDone
from napari_clipseg.engine.labels import LabelSettings
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt, quoted
from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.engine.store import remove_unreadable
from napari_clipseg.io.feature_folder import FeatureFolder
from napari_clipseg.io.identity import identity
from napari_clipseg.io.picture import Picture, Stack
from napari_clipseg.io.results import FORMATS, Result
from napari_clipseg.io.rows import Stored, WholeChunks


@dataclasses.dataclass(frozen=True, slots=True)
class JobRun:
    """What the images of a job share.

    Parameters
    ----------
    job : SegmentJob
    segmenter : Segmenter
    example : MaskPrompt, optional
        Of the job's own support image: one prompt, whose vector is computed once.
    """

    job: SegmentJob
    segmenter: Segmenter
    example: MaskPrompt | None


@dataclasses.dataclass(frozen=True, slots=True)
class ImageRun:
    """All that the run of one image needs, settled before anything is computed."""

    job: SegmentJob
    path: Path
    segmenter: Segmenter
    picture: Picture
    prompts: tuple[TextPrompt | MaskPrompt | Mix, ...]

    @classmethod
    def of(cls, shared: JobRun, path: Path) -> ImageRun:
        """Return the run of an image; the image is opened, not read."""
        picture = open_picture(shared.job, path)
        prompts = prompts_of(shared.job, picture, shared.example)
        return cls(shared.job, path, shared.segmenter, picture, tuple(prompts))

    @property
    def reading(self) -> dict[str, Any]:
        """How the engine reads the picture."""
        return {"contrast": self.job.contrast, "nodata": self.picture.nodata}

    def recipe(self, contrast: tuple[float, float], found: Sequence[Found]) -> Recipe:
        """Return the record of this run."""
        recipe = Recipe.of(self.segmenter, self.prompts, contrast, self.threshold)
        options = {
            "min_size": self.job.min_size,
            "fill_holes": self.job.fill_holes,
            "smoothing": self.job.smoothing,
            "plane": list(self.job.plane),
            "level": self.job.level,
            "nodata": str(self.picture.nodata) if self.picture.nodata is not None else None,
            "channels": self.job.channels and list(self.job.channels),
            "format": self.job.format,
            "probability": self.job.probability,
        }
        job = {
            "file": identity(self.path),
            "contrast": self.job.contrast,
            "options": {name: value for name, value in options.items() if value is not None},
            "found": [dataclasses.asdict(each) for each in found],
        }
        return dataclasses.replace(recipe, job=job)

    @property
    def threshold(self) -> float:
        """Probability above which a pixel is found."""
        return self.segmenter.threshold if self.job.threshold is None else self.job.threshold


def found_before(run: ImageRun) -> list[Found] | None:
    """Return what an earlier run found, None if it is to be done (again)."""
    folder, names = run.job.output, result_names(run.job, run.path)
    record = folder / recipe_name(run.job, run.path)
    if not record.is_file() or not all((folder / name).exists() for name in names):
        return None
    try:
        before = Recipe.from_json(record.read_text(encoding="utf-8"))
        found = [Found(**each) for each in before.job["found"]]
    except (ValueError, KeyError, TypeError):
        return None
    expected = json.loads(run.recipe(before.contrast, found).to_json())
    return found if json.loads(before.to_json()) == expected else None


def segment_image(run: ImageRun) -> list[Found]:
    """Segment an image and write its results, the recipe last.

    Raises
    ------
    ClipSegError
        If that fails; earlier results are then still there.
    """
    job, shape = run.job, run.picture.shape
    contrast = Pixels(run.picture.data, **run.reading).contrast
    with working_folder(job.output / f".{run.path.name}.part") as part:
        out = WholeChunks(part / "probability", (len(run.prompts), *shape), "float32")
        seconds = watch(giving_back(_tiles(run, out)), run.path.name)
        found = []
        for index, stem in enumerate(stems(job, run.path)):
            probability = Stack(part, out.array, "PYX").plane((index,))
            found.append(_write(run, part, stem, probability))
            name = quoted(run.prompts[index].name)
            told = summary(found[-1], shape[0] * shape[1])
            click.echo(f"{run.path.name}  {name}: {told}, {seconds:.1f} s")
        record = part / recipe_name(run.job, run.path)
        record.write_text(run.recipe(contrast, found).to_json(), encoding="utf-8")
        _publish(run, part)
    return found


def _tiles(run: ImageRun, out: WholeChunks) -> Iterator[TileDone]:
    job, data, name = run.job, run.picture.data, run.path.stem
    if job.features is None:
        return run.segmenter.stream(data, run.prompts, out, **run.reading)
    gigabytes = job.features_budget
    kept = FeatureFolder(job.features, None if gigabytes is None else int(gigabytes * 1e9))
    recipe = run.recipe((0, 1), [])
    origin = {
        "weights": recipe.weights,
        "settings": recipe.settings,
        "file": recipe.job["file"],
        "reading": str((run.reading, job.plane, job.level, job.channels)),
    }
    folder = kept.place(name, origin, run.segmenter.feature_bytes(run.picture.shape))
    remove_unreadable(folder)
    return run.segmenter.run(data, run.prompts, out, folder=folder, **run.reading)


def _write(run: ImageRun, part: Path, stem: str, probability: Any) -> Found:
    """Write the results of one prompt into the working folder."""
    labels = WholeChunks(part / f"{stem}.labels", run.picture.shape, "int32")
    job = run.job
    settings = LabelSettings(run.threshold, job.min_size, job.fill_holes, job.smoothing)
    found = label_bands(probability, labels, settings)
    give_back()
    result = Result(Stored(probability, run.job.probability), labels.array, run.picture)
    FORMATS[run.job.format].write(result, part, stem)
    return found


def _publish(run: ImageRun, part: Path) -> None:
    """Put finished results in their places; without a recipe they do not count as done."""
    output, record = run.job.output, recipe_name(run.job, run.path)
    (output / record).unlink(missing_ok=True)
    for name in (*result_names(run.job, run.path), record):
        replace(part / name, output / name)
