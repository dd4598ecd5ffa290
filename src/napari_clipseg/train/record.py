"""What fixes a run and what a weights file says of it: configuration, data, scores."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from napari_clipseg.train.config import TrainConfig
from napari_clipseg.train.validation import Validation

_MACHINE = frozenset({"device"})
"""Settings that say where a run is computed, not what."""


def fingerprint(config: TrainConfig) -> str:
    """Return a hash of everything a run is fixed by.

    Settings at their defaults have no part in it, so that a new setting changes no hash, nor has
    the device.
    """
    return hashlib.sha256(json.dumps(chosen(config)).encode()).hexdigest()


def chosen(settings: Any) -> dict[str, Any]:
    """Return the settings of a dataclass that are not at their defaults, as JSON values."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            inner = chosen(value)
            if inner:
                found[field.name] = inner
        elif field.name not in _MACHINE and value != _default(field):
            found[field.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """Return a setting as a JSON value: lists for tuples, tables for dataclasses in a mapping."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return {key: chosen(v) if dataclasses.is_dataclass(v) else v for key, v in value.items()}
    return value


def metadata(
    config: TrainConfig, step: int, data: Mapping[str, str], validation: Validation
) -> dict[str, str]:
    """Return what a weights file says of the run that made it.

    Parameters
    ----------
    config : TrainConfig
    step : int
        Steps made.
    data : mapping of str to str
        Source -> hash of its pictures.
    validation : Validation
        Of the weights in the file.
    """
    scores = {
        "iou": validation.mean_iou,
        "absent": validation.absent_area,
        "concepts": {f"{s.source} {s.concept}": s.iou for s in validation.scores},
    }
    return {
        "steps": str(step),
        "seed": str(config.seed),
        "training": json.dumps(chosen(config)),
        "data": json.dumps(dict(data)),
        "validation": json.dumps(_rounded(scores)),
    }


def _rounded(value: Any) -> Any:
    """Return JSON values with four decimals; what is not a number is null."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 4) if value == value else None


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
