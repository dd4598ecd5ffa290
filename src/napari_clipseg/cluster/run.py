"""The run as its caller sees it: tasks are sent, and what they say is handed on."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from distributed import Client, Future, KilledWorker, as_completed

from napari_clipseg.cluster import worker
from napari_clipseg.cluster.job import ClusterSettings, Run, opened, writing
from napari_clipseg.engine.parts import Span
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import Prompt, as_prompts
from napari_clipseg.errors import ClipSegError, EngineError, ImageError, OutputError

TASKS_PER_WORKER, TILES_PER_TASK = 4, 512
"""Enough tasks that a lost or slow worker costs little, of at most so many tiles."""

STAGES = {"encode": worker.encode, "decode": worker.decode}


@dataclasses.dataclass(frozen=True, slots=True)
class ClusterProgress:
    """One task further.

    Parameters
    ----------
    stage : {"encode", "decode"}
        All tiles are encoded, then all rows decoded.
    index, total : int
        Tasks of the stage done, counted from 1, and in all.
    """

    stage: str
    index: int
    total: int


def segment_on_cluster(
    client: Client,
    image: Any,
    prompts: Prompt | Sequence[Prompt],
    output: str | Path,
    settings: ClusterSettings | None = None,
) -> Generator[ClusterProgress]:
    """Write the probability of an image to a zarr array and yield after every task.

    Parameters
    ----------
    client : distributed.Client
        Of any cluster whose workers have this package installed: one worker for each GPU, or
        for so many cores as ``settings.threads``.
    image : str, Path or array-like (H, W) or (H, W, C)
        A zarr array by its path or URL, or an array that is read where it is used (zarr,
        dask). An array in memory is refused.
    prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
    output : str or Path
        The zarr array to be made, on a file system that all workers see: (H, W) float32 of
        one prompt, (P, H, W) of a sequence. It is there when it is complete, not before.
    settings : ClusterSettings, optional

    Yields
    ------
    ClusterProgress
        Stop iterating to cancel. The same call goes on from the tiles that are encoded.

    Raises
    ------
    ImageError
        If the image cannot be opened or is one in memory.
    OutputError
        If the output is there already or cannot be written.
    EngineError
        If a task failed on every try, or took several workers with it.
    ClipSegError
        What :class:`~napari_clipseg.Segmenter` and its ``run`` raise, wherever it happened.
    """
    settings, path = settings or ClusterSettings(), Path(output).absolute()
    if path.exists():
        raise OutputError(f"{path} is there already; name another output or delete this one")
    as_prompts(prompts)
    image = _sendable(image)
    pixels = Pixels(opened(image), **settings.reading)
    # what was found once is told to all, so that no worker looks at another sample
    settings = dataclasses.replace(settings, contrast=pixels.contrast)
    run = Run(image, pixels.shape, prompts, path, settings)
    _create_output(run)
    client.register_plugin(worker.RunPlugin(run), name=run.name)
    try:
        tiles, batch = _result(client.submit(worker.begin, run.name, pure=False))
        spans = _tile_spans(tiles, batch, len(client.nthreads()))
        yield from _stage(client, "encode", spans, run)
        yield from _stage(client, "decode", _spans(run.shape[-2], settings.rows), run)
    finally:
        client.unregister_worker_plugin(run.name)
    run.part.rename(path)
    if settings.features is None:
        shutil.rmtree(run.features, ignore_errors=True)


def _stage(
    client: Client, stage: str, spans: Sequence[Span], run: Run
) -> Generator[ClusterProgress]:
    """Yield as the tasks of a stage end; cancel those that are left if the run ends early."""
    names, retries = [run.name] * len(spans), run.settings.retries
    tasks = client.map(STAGES[stage], names, spans, retries=retries, pure=False)
    try:
        for index, future in enumerate(as_completed(tasks), 1):
            _result(future)
            future.release()
            yield ClusterProgress(stage, index, len(spans))
    finally:
        client.cancel([future for future in tasks if not future.done()])


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except ClipSegError:
        raise
    except KilledWorker as error:
        raise EngineError(
            f"the cluster gave up a task with which several workers died, perhaps of too little "
            f"memory (smaller batch or rows): {error}"
        ) from error
    except Exception as error:
        raise EngineError(f"a task of the cluster failed: {error!r}") from error


def _tile_spans(tiles: int, batch: int, workers: int) -> list[Span]:
    """Return spans of whole batches."""
    share = tiles // (TASKS_PER_WORKER * max(workers, 1)) + 1
    return _spans(tiles, -(-min(share, TILES_PER_TASK) // batch) * batch)


def _spans(length: int, step: int) -> list[Span]:
    return [(first, min(first + step, length)) for first in range(0, length, step)]


def _sendable(image: Any) -> Any:
    """Return the image as every worker gets it: a few bytes that say where it is."""
    if isinstance(image, np.ndarray):
        raise ImageError(
            "an array in memory would have to be sent to every worker; store it where all see "
            "it, e.g. with zarr.save_array(path, image), and give the path"
        )
    local = isinstance(image, str | Path) and "://" not in str(image)
    return Path(image).absolute() if local else image


def _create_output(run: Run) -> None:
    with writing(run.output):
        shutil.rmtree(run.part, ignore_errors=True)
        side = run.settings.rows
        planes = (1,) * (len(run.shape) - 2)
        zarr.create_array(run.part, shape=run.shape, chunks=(*planes, side, side), dtype="float32")
