"""The training loop: from a configuration to a weights file.

A run draws nothing but from ``(seed, step)``, so its checkpoint needs no state of a random
generator, and a run that was killed goes on to the very same weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.train.config import ConfigError, TrainConfig
from napari_clipseg.train.dataset import Scene
from napari_clipseg.train.journal import Journal
from napari_clipseg.train.library import build_library, read_sets
from napari_clipseg.train.network import ModelOnSquares, embed, new_model
from napari_clipseg.train.objective import batch_losses, new_optimizer, rates
from napari_clipseg.train.sampling import Batch, Sampler
from napari_clipseg.train.validation import Validation, central, validate
from napari_clipseg.train.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_VALIDATED_PER_SET = 12
"""Pictures of each set that are looked at while training."""

_ABSENT_WORDS = 4
"""Words for absent things that each of them is asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run left behind.

    Parameters
    ----------
    weights : Path
        safetensors file that ``load_model`` takes.
    steps : int
    validation : Validation
        Of the saved weights, on the middles of validation pictures.
    """

    weights: Path
    steps: int
    validation: Validation


def train(
    config: TrainConfig, output: Path, *, data: Path | None = None, resume: bool = False
) -> TrainResult:
    """Train a model and write ``model.safetensors``, ``log.csv`` and ``validation.csv``.

    Parameters
    ----------
    config : TrainConfig
    output : Path
        Folder for the results and the checkpoint; made if missing.
    data : Path, optional
        Data folder, see ``docs/training.md``.
    resume : bool
        Go on from the folder's checkpoint if there is one.

    Raises
    ------
    ConfigError
        If the configuration or the data do not fit, or the checkpoint is of another run.
    """
    output.mkdir(parents=True, exist_ok=True)
    run = Run(config, output, data)
    if resume and run.checkpoint_file.exists():
        run.restore()
    for step, batch in run.batches():
        run.learn(step, batch)
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
        self.step = 0
        self.model = new_model(config)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self.optimizer = new_optimizer(self.model, config)
        library = build_library(config.data, data, config.seed)
        scenes = (scene for scenes in library.sources.values() for scene in scenes)
        vocabulary = Vocabulary(scenes, config.data.absent)
        vocabulary.embed(embed(self.model, vocabulary.phrases))
        self.sampler = Sampler(
            library, vocabulary, config.sampling, side=config.model.tile, seed=config.seed
        )
        self.held_out = _held_out(config, data)
        self._fingerprint = fingerprint(config)
        self._log = Journal(output / "log.csv")
        self._scores = Journal(output / "validation.csv")

    @property
    def checkpoint_file(self) -> Path:
        """Where the state of the run is kept."""
        return self.output / "checkpoint.pt"

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Yield the remaining steps; the next batch is made while one is learned."""
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self.sampler.batch, self.step)
            for step in range(self.step, self.config.optim.steps):
                batch = coming.result()
                coming = ahead.submit(self.sampler.batch, step + 1)
                yield step, batch

    def learn(self, step: int, batch: Batch) -> None:
        """Make one step, and write what is due after it."""
        started = time.perf_counter()
        rate = rates(step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate[group["part"]]
        losses = batch_losses(self.model, batch, self.config)
        total = sum(losses.values(), torch.zeros(()))
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.config.optim.clip)
        self.optimizer.step()
        self._average(step)
        self.step = step + 1
        seconds = time.perf_counter() - started
        values = {name: round(value.item(), 6) for name, value in losses.items()}
        self._log.write(self.step, {**values, "rate": rate["decoder"], "seconds": seconds})
        self._write_due()

    def finish(self) -> TrainResult:
        """Write the averaged weights and say how good they are."""
        self.save()
        self.swap()
        validation = self.validation()
        file = self.output / "model.safetensors"
        metadata = {"steps": str(self.step), "seed": str(self.config.seed)}
        save_model(self.model, file, metadata, dtype=torch.float16)
        return TrainResult(file, self.step, validation)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "fingerprint": self._fingerprint,
            "step": self.step,
            "weights": [parameter.detach() for parameter in self.parameters],
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        partial = self.checkpoint_file.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.checkpoint_file)

    def restore(self) -> None:
        """Go back to the checkpoint.

        Raises
        ------
        ConfigError
            If it was written by a run with another configuration.
        """
        state = torch.load(self.checkpoint_file, weights_only=True)
        if state["fingerprint"] != self._fingerprint:
            raise ConfigError(f"{self.checkpoint_file} is of a run with another configuration")
        self.step = state["step"]
        self.optimizer.load_state_dict(state["optimizer"])
        _assign(self.parameters, state["weights"])
        _assign(self.average, state["average"])
        self._log.go_on(self.step)
        self._scores.go_on(self.step)

    def swap(self) -> None:
        """Exchange weights and averaged weights."""
        current = [parameter.detach().clone() for parameter in self.parameters]
        _assign(self.parameters, self.average)
        _assign(self.average, current)

    def validation(self) -> Validation:
        """Return the scores of the model as it is."""
        config = self.config
        predict = ModelOnSquares(self.model)
        absent = {realm: words[:_ABSENT_WORDS] for realm, words in config.data.absent.items()}
        return validate(predict, self.held_out, absent, config.model.threshold)

    def _average(self, step: int) -> None:
        keep = min(self.config.optim.average, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - keep)

    def _write_due(self) -> None:
        if self.step % self.config.checkpoint_every == 0:
            self.save()
        if self.held_out and self.step % self.config.validate_every == 0:
            self.swap()
            validation = self.validation()
            self.swap()
            scores = {f"{s.source} {s.concept}": round(s.iou, 4) for s in validation.scores}
            summary = {"iou": validation.mean_iou, "absent": validation.absent_area}
            self._scores.write(self.step, {**summary, **scores})
            log.info("step %d: IoU %.3f, absent %.4f", self.step, *summary.values())


def fingerprint(config: TrainConfig) -> str:
    """Return a hash of everything a run is fixed by."""
    return hashlib.sha256(repr(config).encode()).hexdigest()


def _held_out(config: TrainConfig, data: Path | None) -> dict[str, list[Scene]]:
    side = config.model.tile
    sets = read_sets(config.data, data)
    return {
        name: [central(scene, side) for scene in sets[name].scenes("val")[:_VALIDATED_PER_SET]]
        for name in config.data.weights
    }


@torch.no_grad()
def _assign(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.copy_(value)
