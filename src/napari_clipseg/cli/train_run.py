"""What ``napari-clipseg train`` and ``study ablation`` do: runs, a bar with the time left."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from napari_clipseg.atomic import writable_folder
from napari_clipseg.cli.study import AblationJob
from napari_clipseg.cli.train import TrainJob
from napari_clipseg.evaluate.ablation import Ablated, ablate, ablated, ablations, write_ablations
from napari_clipseg.evaluate.run_curves import run_curves
from napari_clipseg.io.overlay import write_png
from napari_clipseg.train.config import OptimConfig, TrainConfig
from napari_clipseg.train.config_file import read_config
from napari_clipseg.train.loop import StepDone, TrainResult, train
from napari_clipseg.train.run_folder import BEST, CURVES

log = logging.getLogger(__name__)

_LINE_EVERY = 50
"""Steps between lines where no bar is drawn."""


def run_training(job: TrainJob) -> None:
    """Train, draw the curves, and say what is where.

    Raises
    ------
    ClipSegError, FileNotFoundError
        If the configuration, the data or the device cannot be used.
    """
    config = read_training(job.config, job.device)
    writable_folder(job.output)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with training_bar(job.output.name, config.optim.steps) as watch:
        result = train(config, job.output, data=job.data, resume=job.resume, watch=watch)
    write_png(job.output / CURVES, run_curves(job.output))
    if result.validation.scores:
        click.echo(result.validation.table())
    click.echo(_where(result))


def read_training(config: Path, device: str | None) -> TrainConfig:
    """Return a configuration, to be run on a device if one is named.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ConfigError
        If it is wrong.
    """
    if not config.is_file():
        raise FileNotFoundError(f"there is no file {config}")
    settings = read_config(config)
    return settings if device is None else dataclasses.replace(settings, device=device)


@contextmanager
def training_bar(title: str, steps: int) -> Iterator[Callable[[StepDone], None]]:
    """Give what to call after each step: a bar where a person looks on, else a line now and then.

    Both say the time that is left.
    """
    pace = _Pace()
    shown = sys.stderr.isatty()
    with click.progressbar(
        length=steps,
        label=title,
        file=sys.stderr,
        hidden=not shown,
        show_eta=False,
        item_show_func=str,
    ) as bar:

        def watch(done: StepDone) -> None:
            text = f"loss {sum(done.losses.values()):.3f}, {pace.left(done)} left"
            bar.update(done.step - bar.pos, text)
            if not shown and done.step % _LINE_EVERY == 0:
                log.info("step %d of %d, %s", done.step, done.steps, text)

        yield watch


class _Pace:
    """How long a run still takes; a resumed run's earlier steps say nothing about that."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def left(self, done: StepDone) -> str:
        """Return the time to the end as hours and minutes, or minutes and seconds."""
        step, started = self._first or (done.step, time.monotonic())
        self._first = (step, started)
        if done.step == step:
            return "?"
        pace = (time.monotonic() - started) / (done.step - step)
        minutes, seconds = divmod(round(pace * (done.steps - done.step)), 60)
        if minutes >= 60:
            return f"{minutes // 60} h {minutes % 60} min"
        return f"{minutes}:{seconds:02} min"


def _where(result: TrainResult) -> str:
    folder = result.weights.parent
    last = f"the weights after step {result.steps} are in {result.weights}"
    if result.best is None:
        return f"{last}; no validation picture has a mask, so steps could not be compared"
    if result.best.step == result.steps:
        return f"{last}; no earlier ones did better on the validation pictures"
    return (
        f"{last}\nthose after step {result.best.step}, which did best on the validation pictures "
        f"(mean IoU {result.best.iou:.3f}), are in {folder / BEST}"
    )


def run_ablation(job: AblationJob) -> tuple[Ablated, ...]:
    """Train with one thing changed at a time; print and write what each training came to.

    Trainings of the same study that are in the folder already are in the table, too.

    Raises
    ------
    ClipSegError, FileNotFoundError
        If the configuration, the data, a name or the device cannot be used.
    """
    config = read_training(job.config, job.device)
    if job.steps is not None:
        config = dataclasses.replace(config, optim=_shortened(config.optim, job.steps))
    trainings = ablations(config, job.only)
    writable_folder(job.output)
    for name, training in trainings.items():
        with training_bar(name, training.optim.steps) as watch:
            weights = ablate(name, training, job.output, job.data, watch)
        results = ablated(config, job.output, weights)
        table = write_ablations(results, job.output)
    click.echo(table)
    click.echo(f"the weights of each training are in {job.output}")
    return results


def _shortened(optim: OptimConfig, steps: int) -> OptimConfig:
    """Return a training of other length, its rise in proportion."""
    warmup = optim.warmup * steps // optim.steps
    return dataclasses.replace(optim, steps=steps, warmup=warmup, restarts=())
