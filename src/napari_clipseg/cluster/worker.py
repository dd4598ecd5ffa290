"""What happens on a worker: the tasks of a run, and what it holds between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import Any

import dask
import zarr
from distributed import WorkerPlugin, get_worker

from napari_clipseg.cluster.job import Run, opened, writing
from napari_clipseg.engine.parts import ImageParts, RowsWanted, Span
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import as_prompts, is_single
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.engine.threads import torch_threads


class RunPlugin(WorkerPlugin):
    """What a worker holds of a run: its model, loaded at the first task, and the image.

    It belongs to dask's worker and goes with the run.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def setup(self, worker: Any) -> None:
        """Begin with nothing loaded."""
        self._lock = Lock()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """One task at a time, with the run's number of threads."""
        # an image that is a dask array must not become tasks that wait for this one
        one_by_one = dask.config.set(scheduler="synchronous")
        with self._lock, one_by_one, torch_threads(self._run.settings.threads):
            yield

    def begin(self) -> tuple[int, int]:
        """Make the folder for features by the first batch; return tiles in all and in a batch."""
        run = self._run
        nothing = RowsWanted((len(self._prompts), *run.height_width), (0, 0))
        steps = self._segmenter.run(
            opened(run.image), self._prompts, nothing, folder=run.features, **run.settings.reading
        )
        next(steps, None)
        steps.close()
        return self._parts.tiles, self._segmenter.batch

    def encode(self, tiles: Span) -> None:
        """Encode some tiles."""
        self._parts.encode(tiles)

    def decode(self, rows: Span) -> None:
        """Decode and write some rows."""
        values = self._parts.decode(self._prompts, rows)
        with writing(self._run.output):
            out: Any = zarr.open_array(self._run.part, mode="r+")
            out[..., slice(*rows), :] = values[0] if is_single(self._run.prompts) else values

    @cached_property
    def _segmenter(self) -> Segmenter:
        return Segmenter(self._run.settings.model, **self._run.settings.segmenter)

    @cached_property
    def _parts(self) -> ImageParts:
        pixels = Pixels(opened(self._run.image), **self._run.settings.reading)
        return ImageParts(self._segmenter, pixels, self._run.features)

    @cached_property
    def _prompts(self) -> list[Any]:
        return as_prompts(self._run.prompts)


@contextmanager
def _plugin(name: str) -> Iterator[RunPlugin]:
    """Give one task what its worker holds of a run."""
    plugin = get_worker().plugins[name]
    assert isinstance(plugin, RunPlugin)
    with plugin.computing():
        yield plugin


def begin(name: str) -> tuple[int, int]:
    """Make the folder for features; return tiles in all and in a batch."""
    with _plugin(name) as plugin:
        return plugin.begin()


def encode(name: str, tiles: Span) -> None:
    """Encode some tiles of the run of this name."""
    with _plugin(name) as plugin:
        plugin.encode(tiles)


def decode(name: str, rows: Span) -> None:
    """Decode and write some rows of the run of this name."""
    with _plugin(name) as plugin:
        plugin.decode(rows)
