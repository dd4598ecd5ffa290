"""Segment images by a text prompt or by a painted example, with CLIPSeg.

The public names load on first use: importing this package costs milliseconds and imports
neither torch nor napari nor Qt, so the plugin menu of a viewer opens without delay.

Examples
--------
>>> import napari_clipseg as nc
>>> probability = nc.segment(image, "nuclei")  # doctest: +SKIP
>>> labels = nc.label(probability, threshold=0.4)  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from napari_clipseg.errors import (
    ClipSegError,
    EngineError,
    FeaturesInvalid,
    ImageError,
    OutOfMemory,
    OutputError,
    PromptError,
    SettingError,
    UnknownName,
    UnsupportedLayer,
    WeightsInvalid,
    WeightsNotFound,
)

if TYPE_CHECKING:
    from napari_clipseg.cluster.job import ClusterSettings
    from napari_clipseg.cluster.run import segment_on_cluster
    from napari_clipseg.engine.features import Features
    from napari_clipseg.engine.labels import label
    from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt
    from napari_clipseg.engine.recipe import Recipe
    from napari_clipseg.engine.segmenter import Segmenter, segment
    from napari_clipseg.engine.volume import VolumeSettings, segment_volume, volume_contrast
    from napari_clipseg.model.catalog import MODELS
    from napari_clipseg.model.checkpoint import load_model

__version__ = "0.1.0"

__all__ = [
    "MODELS",
    "ClipSegError",
    "ClusterSettings",
    "EngineError",
    "Features",
    "FeaturesInvalid",
    "ImageError",
    "MaskPrompt",
    "Mix",
    "OutOfMemory",
    "OutputError",
    "PromptError",
    "Recipe",
    "Segmenter",
    "SettingError",
    "TextPrompt",
    "UnknownName",
    "UnsupportedLayer",
    "VolumeSettings",
    "WeightsInvalid",
    "WeightsNotFound",
    "__version__",
    "label",
    "load_model",
    "segment",
    "segment_on_cluster",
    "segment_volume",
    "volume_contrast",
]

_HOMES = {
    "ClusterSettings": "cluster.job",
    "Features": "engine.features",
    "MODELS": "model.catalog",
    "MaskPrompt": "engine.prompts",
    "Mix": "engine.prompts",
    "Recipe": "engine.recipe",
    "Segmenter": "engine.segmenter",
    "TextPrompt": "engine.prompts",
    "VolumeSettings": "engine.volume",
    "label": "engine.labels",
    "load_model": "model.checkpoint",
    "segment": "engine.segmenter",
    "segment_on_cluster": "cluster.run",
    "segment_volume": "engine.volume",
    "volume_contrast": "engine.volume",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
