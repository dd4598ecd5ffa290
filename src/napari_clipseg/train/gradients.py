"""Losses and gradients of a batch, in as many parts as the memory asks for."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from napari_clipseg.engine.devices import choose_precision, is_out_of_memory, translated_errors
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.train.config import ConfigError, TrainConfig
from napari_clipseg.train.objective import Seen, Whole, part_losses
from napari_clipseg.train.sampling import Batch

log = logging.getLogger(__name__)


class Gradients:
    """Adds gradients to a model's weights, batch after batch.

    Parameters
    ----------
    model : CLIPSeg
        On its device.
    config : TrainConfig

    Attributes
    ----------
    parts : int
        In how many parts a batch is computed. Doubled where memory runs out.

    Raises
    ------
    UnknownName
        If there is no such precision.
    ConfigError
        If the precision does not go with the device.
    """

    def __init__(self, model: CLIPSeg, config: TrainConfig) -> None:
        self._model, self._config = model, config
        self._device = model.mean.device
        self._precision = choose_precision(config.precision)
        self.parts = min(config.accumulate, config.sampling.batch)
        half = self._precision == torch.float16
        if half and self._device.type != "cuda":
            raise ConfigError(
                f'precision = "float16" needs cuda, not {self._device.type}; "bfloat16" does not'
            )
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=half)
        self._looks_learn = any(p.requires_grad for p in model.encoder.parameters())
        self._cycle = 0 if self._looks_learn else config.sampling.cycle
        self._kept: dict[tuple[int, int], Seen] = {}

    def add(self, step: int, batch: Batch) -> dict[str, float]:
        """Add the gradients of a batch; return its losses by name.

        Raises
        ------
        OutOfMemory
            If not even one image fits into memory.
        EngineError
            If the model fails for another reason.
        """
        with translated_errors():
            while True:
                try:
                    return self._add(step, batch)
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error) or self.parts >= len(batch.images):
                        raise
                self._take_smaller_parts(len(batch.images))

    def apply(
        self, optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], clip: float
    ) -> None:
        """Clip the gradients (0: not at all), move the weights, and forget the gradients."""
        self._scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(parameters, clip or math.inf)
        self._scaler.step(optimizer)
        self._scaler.update()
        optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on in the same way."""
        return {"parts": self.parts, "scaler": self._scaler.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what :meth:`state` returned."""
        self.parts = int(state["parts"])
        self._scaler.load_state_dict(state["scaler"])

    def _add(self, step: int, batch: Batch) -> dict[str, float]:
        if self._config.optim.dropout:
            torch.manual_seed(self._config.seed + step)
        size, whole = len(batch.images), Whole.of(batch, self._device)
        sums = dict.fromkeys(("mask", "align", "contrast"), 0.0)
        bounds = [index * size // self.parts for index in range(self.parts + 1)]
        for first, last in itertools.pairwise(bounds):
            losses = self._part(step, batch.rows(first, last), first, whole)
            for name, value in losses.items():
                sums[name] += value.item()
        return sums

    def _part(self, step: int, part: Batch, first: int, whole: Whole) -> dict[str, Tensor]:
        reduced = self._precision != torch.float32
        with torch.autocast(self._device.type, self._precision, enabled=reduced):
            seen = self._look(step, part, first)
            losses = part_losses(self._model, part, seen, whole, self._config.optim)
        total = sum(losses.values(), torch.zeros((), device=self._device))
        if total.requires_grad:  # not where only prompt images teach and there are none
            self._scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        return losses

    def _look(self, step: int, part: Batch, first: int) -> Seen:
        """Return what the tower says of a part, from memory where it was asked before."""
        with torch.set_grad_enabled(self._looks_learn):
            if not self._cycle:
                return Seen.of(self._model, part)
            key = (step % self._cycle, first)
            if key not in self._kept:
                self._kept[key] = Seen.of(self._model, part).to("cpu")
            return self._kept[key].to(self._device)

    def _take_smaller_parts(self, images: int) -> None:
        """Begin the batch anew in twice as many parts."""
        self.parts = min(2 * self.parts, images)
        self._kept.clear()
        self._model.zero_grad(set_to_none=True)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning("memory ran out: each batch is now computed in %d parts", self.parts)
