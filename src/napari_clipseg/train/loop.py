"""The training loop: from a configuration to a weights file.

A run draws nothing but from ``(seed, step)``, so its checkpoint needs no state of a random
generator, and a run that was killed goes on to the very same weights.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from napari_clipseg.engine.devices import choose_device
from napari_clipseg.engine.templates import TEMPLATES
from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.train.augment import Cutter
from napari_clipseg.train.average import Average, assign
from napari_clipseg.train.config import TrainConfig
from napari_clipseg.train.dataset import Scene
from napari_clipseg.train.gradients import Gradients
from napari_clipseg.train.journal import LOG, SCORES, Journal
from napari_clipseg.train.learned import USUALLY_ABSENT, learned, shown_phrases
from napari_clipseg.train.library import build_held_out, build_library
from napari_clipseg.train.network import ModelOnSquares, embed, new_model
from napari_clipseg.train.objective import new_optimizer, rates
from napari_clipseg.train.record import fingerprint, metadata
from napari_clipseg.train.run_folder import BEST, LAST, RunFolder
from napari_clipseg.train.sampling import Batch, Sampler
from napari_clipseg.train.sources import Pictures
from napari_clipseg.train.validation import (
    ABSENT_ASKED,
    Validation,
    share,
    spread,
    telling_square,
    validate,
)
from napari_clipseg.train.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_AHEAD = max(1, (os.cpu_count() or 1) // 4)
"""Batches that are made ahead, each on a thread of its own."""

_VALIDATED_PER_SET = 12
"""Pictures of each set that are looked at while training."""


@dataclasses.dataclass(frozen=True, slots=True)
class Best:
    """The validation that went best so far: steps made, and the mean IoU."""

    step: int
    iou: float


@dataclasses.dataclass(frozen=True, slots=True)
class StepDone:
    """One step of a run.

    Parameters
    ----------
    step, steps : int
        Steps made, and steps of the whole run.
    losses : dict of str to float
    """

    step: int
    steps: int
    losses: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run left behind.

    Parameters
    ----------
    weights : Path
        Weights after the last step: a safetensors file that ``load_model`` takes.
    steps : int
    validation : Validation
        Of these weights, on a square of each of a few validation pictures.
    best : Best or None
        When validation went best; those weights are beside the others as ``best.safetensors``.
        None where no validation picture has a mask.
    """

    weights: Path
    steps: int
    validation: Validation
    best: Best | None


def train(
    config: TrainConfig,
    output: Path,
    *,
    data: Path | None = None,
    resume: bool = False,
    watch: Callable[[StepDone], object] = lambda done: None,
) -> TrainResult:
    """Train a model and write weights, ``log.csv`` and ``validation.csv``.

    Parameters
    ----------
    config : TrainConfig
    output : Path
        Folder for the results and the checkpoint; made if missing. What an earlier run left
        there is removed before the first step, unless this run goes on from it.
    data : Path, optional
        Data folder, see ``docs/training.md``.
    resume : bool
        Go on from the folder's checkpoint if there is one.
    watch : callable
        Called after every step.

    Raises
    ------
    ConfigError
        If the configuration or the data do not fit, the checkpoint is of another run, or the run
        starts from weights that it would replace.
    WeightsInvalid
        If the checkpoint or the weights to start from are damaged.
    OutputError
        If a result cannot be written.
    OutOfMemory
        If not even one image at a time fits into memory.
    """
    output.mkdir(parents=True, exist_ok=True)
    run = Run(config, output, data)
    if resume and run.folder.checkpoint.exists():
        run.restore()
    else:
        run.folder.clear(config)
    for step, batch in run.batches():
        watch(run.learn(step, batch))
    return run.finish()


class Run:
    """One training run: model, averaged weights, optimiser and where they stand.

    Parameters
    ----------
    config : TrainConfig
    output : Path
        Existing folder.
    data : Path or None
        Data folder.
    """

    def __init__(self, config: TrainConfig, output: Path, data: Path | None) -> None:
        self.config = config
        self.output = output
        self.folder = RunFolder(output)
        self.step = 0
        self.best: Best | None = None
        self.device = choose_device(config.device)
        self.model = new_model(config).to(self.device)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.average = Average(self.parameters, config.optim.average)
        self.optimizer = new_optimizer(self.model, config)
        self.gradients = Gradients(self.model, config)
        self._absent = config.data.absent or USUALLY_ABSENT
        self.sampler = self._sampler(data)
        self.held_out = _held_out(config, data)
        self._validates = any(self.held_out.values())
        self._hashes = {**self._data, **_hashes(self.held_out)}
        self._log = Journal(output / LOG)
        self._scores = Journal(output / SCORES)

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Yield the remaining steps; the next batches are made while one is learned."""
        steps = range(self.step, self.config.optim.steps)
        with ThreadPoolExecutor(_AHEAD) as threads:
            coming = deque(threads.submit(self.sampler.batch, step) for step in steps[:_AHEAD])
            for step in steps:
                batch = coming.popleft().result()
                if step + _AHEAD in steps:
                    coming.append(threads.submit(self.sampler.batch, step + _AHEAD))
                yield step, batch

    def learn(self, step: int, batch: Batch) -> StepDone:
        """Make one step, and write what is due after it."""
        started = time.perf_counter()
        rate = rates(step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate[group["part"]]
        losses = self.gradients.add(step, batch)
        self.gradients.apply(self.optimizer, self.parameters, self.config.optim.clip)
        self.average.update(step)
        self.step = step + 1
        seconds = time.perf_counter() - started
        values = {name: round(value, 6) for name, value in losses.items()}
        self._log.write(self.step, {**values, "rate": rate["decoder"], "seconds": seconds})
        self._write_due()
        return StepDone(self.step, self.config.optim.steps, losses)

    def finish(self) -> TrainResult:
        """Write the averaged weights and say how good they are."""
        with self.average.in_place():
            validation = self._validate()
            file = self._write(LAST, validation)
        self.save()
        return TrainResult(file, self.step, validation, self.best)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "fingerprint": fingerprint(self.config),
            "data": self._hashes,
            "step": self.step,
            "best": None if self.best is None else (self.best.step, self.best.iou),
            "weights": [parameter.detach() for parameter in self.parameters],
            "average": self.average.values,
            "optimizer": self.optimizer.state_dict(),
            "gradients": self.gradients.state(),
        }
        self.folder.save(state)

    def restore(self) -> None:
        """Go back to the checkpoint.

        Raises
        ------
        ConfigError
            If it was written by a run with another configuration or other data.
        WeightsInvalid
            If it is damaged.
        """
        state = self.folder.load(self.config, self._hashes, self.device)
        self.step = state["step"]
        self.best = None if state["best"] is None else Best(*state["best"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.gradients.restore(state["gradients"])
        assign(self.parameters, state["weights"])
        assign(self.average.values, state["average"])
        self._log.go_on(self.step)
        self._scores.go_on(self.step)

    def validation(self) -> Validation:
        """Return the scores of the model as it is."""
        predict = ModelOnSquares(self.model)
        absent = {realm: words[:ABSENT_ASKED] for realm, words in self._absent.items()}
        return validate(predict, self.held_out, absent, self.config.model.threshold)

    def _sampler(self, data: Path | None) -> Sampler:
        """Read the pictures, and note what they teach."""
        config = self.config
        library = build_library(config.data, data, config.seed)
        self._data = {name: source.digest() for name, source in library.sources.items()}
        phrases = shown_phrases(library.contents)
        self.model.learned = learned(self.model, phrases) if phrases else self.model.learned
        templates = TEMPLATES[config.sampling.templates]
        vocabulary = Vocabulary(library.contents, self._absent, templates)
        vocabulary.embed(embed(self.model, vocabulary.sentences))
        cutter = Cutter(config.augment, config.model.tile)
        return Sampler(library, vocabulary, config.sampling, cutter, seed=config.seed)

    def _write_due(self) -> None:
        ended = self.step == self.config.optim.steps
        if self._validates and not ended and self.step % self.config.validate_every == 0:
            with self.average.in_place():
                self._validate()
        if self.step % self.config.checkpoint_every == 0:
            self.save()

    def _validate(self) -> Validation:
        """Score the model as it is, and write down what came of it."""
        validation = self.validation()
        self._keep_if_best(validation)
        if self._validates:
            self._write_scores(validation)
        return validation

    def _write_scores(self, validation: Validation) -> None:
        scores = {f"{s.source} {s.concept}": round(s.iou, 4) for s in validation.scores}
        summary = {"iou": validation.mean_iou, "absent": validation.absent_area}
        self._scores.write(self.step, {**summary, **scores})
        area = share(validation.absent_area)
        log.info("step %d: IoU %.3f, absent %s", self.step, validation.mean_iou, area)

    def _keep_if_best(self, validation: Validation) -> None:
        """Write the model as it is if none before had a higher mean IoU."""
        iou = validation.mean_iou
        if iou >= 0 and (self.best is None or iou > self.best.iou):
            self.best = Best(self.step, iou)
            self._write(BEST, validation)

    def _write(self, name: str, validation: Validation) -> Path:
        file = self.output / name
        notes = metadata(self.config, self.step, self._data, validation)
        save_model(self.model, file, notes, dtype=torch.float16)
        return file


def _held_out(config: TrainConfig, data: Path | None) -> dict[str, list[Scene]]:
    side = config.model.tile
    found = {}
    for name, source in build_held_out(config.data, data).items():
        numbers = spread(range(len(source)), _VALIDATED_PER_SET)
        found[name] = [telling_square(source[number], side) for number in numbers]
    return found


def _hashes(held_out: Mapping[str, list[Scene]]) -> dict[str, str]:
    return {f"{name} (validation)": Pictures(each).digest() for name, each in held_out.items()}
