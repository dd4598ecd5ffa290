"""The folder of a run: its files, and the checkpoint from which a killed run goes on."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from napari_clipseg.atomic import atomic_path
from napari_clipseg.errors import WeightsInvalid
from napari_clipseg.model.weights import locate
from napari_clipseg.train.config import ConfigError, TrainConfig
from napari_clipseg.train.journal import LOG, SCORES
from napari_clipseg.train.record import fingerprint

LAST, BEST = "model.safetensors", "best.safetensors"
"""Weights after the last step, and those that did best on validation pictures."""

CURVES = "curves.png"
"""Picture of both tables."""

CHECKPOINT = "checkpoint.pt"
"""State of the run."""

_FILES = (LAST, BEST, LOG, SCORES, CURVES, CHECKPOINT)

_STATE = frozenset({"fingerprint", "step", "best", "weights", "average", "optimizer", "gradients"})
"""What every checkpoint holds."""

_DAMAGE = (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, LookupError)
"""What torch raises for a damaged file; which of these depends on where the damage is."""


class RunFolder:
    """Where a run keeps its results and its state.

    Parameters
    ----------
    path : Path
        Existing folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.checkpoint = path / CHECKPOINT

    def clear(self, config: TrainConfig) -> None:
        """Remove what an earlier run left, so that its results are not taken for the new ones.

        Parameters
        ----------
        config : TrainConfig
            Of the run that begins.

        Raises
        ------
        ConfigError
            If the run starts from one of these files. Nothing is removed then.
        """
        left = [self._path / name for name in _FILES if (self._path / name).exists()]
        if config.start and left:
            start = locate(config.start).resolve()
            if start in (file.resolve() for file in left):
                raise ConfigError(
                    f"the run starts from {start}, which its own results would replace: choose "
                    "another output folder"
                )
        for file in left:
            file.unlink()
        self._clear_unfinished()

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state of the run, whole or not at all.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        with atomic_path(self.checkpoint) as unfinished:
            try:
                with unfinished.open("wb") as stream:
                    torch.save(dict(state), stream)
            except RuntimeError as error:
                # on a full disk torch complains of a position in the file; the cause is beneath
                cause = error.__context__
                raise cause if isinstance(cause, OSError) else OSError(str(error)) from error

    def load(
        self, config: TrainConfig, data: Mapping[str, str], device: torch.device
    ) -> dict[str, Any]:
        """Return the state of the run, its tensors on a device.

        Parameters
        ----------
        config : TrainConfig
        data : mapping of str to str
            Source -> hash of its pictures and masks.
        device : torch.device

        Raises
        ------
        WeightsInvalid
            If the file is damaged or is no checkpoint of a run.
        ConfigError
            If the run that wrote it had another configuration or other data.
        OSError
            If the file may not be read.
        """
        with self.checkpoint.open("rb") as stream:
            try:
                state = torch.load(stream, weights_only=True, map_location=device)
            except _DAMAGE as error:
                raise _unusable(self.checkpoint, f"is damaged ({type(error).__name__})") from error
        if not (isinstance(state, dict) and state.keys() >= _STATE):
            raise _unusable(self.checkpoint, "is not the state of a training run")
        self._check_same_run(state, config, data)
        self._clear_unfinished()
        return state

    def _check_same_run(
        self, state: Mapping[str, Any], config: TrainConfig, data: Mapping[str, str]
    ) -> None:
        if state["fingerprint"] != fingerprint(config):
            raise ConfigError(
                f"{self.checkpoint} is of a run with another configuration: go on with that one, "
                "or choose another folder for this one"
            )
        # a checkpoint of a version that kept no hashes is trusted to be of these pictures
        before = state.get("data", data)
        changed = [name for name in {**before, **data} if before.get(name) != data.get(name)]
        if changed:
            raise ConfigError(
                f"{self.checkpoint} is of a run on other data, pictures or masks of "
                f"{', '.join(changed)} have changed since: bring the old ones back, or begin a "
                "run without resuming or in another folder"
            )

    def _clear_unfinished(self) -> None:
        """Remove files that a killed run had begun to write."""
        for name in _FILES:
            for file in self._path.glob(f".{name}.*.part"):
                file.unlink(missing_ok=True)


def _unusable(file: Path, why: str) -> WeightsInvalid:
    return WeightsInvalid(
        f"{file} {why}, so no run can go on from it: begin a run without resuming, which removes "
        "what is left in that folder, or in another folder"
    )
