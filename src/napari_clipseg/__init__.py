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
    from napari_clipseg.engine.competition import (
        Contestant,
        LegendRow,
        compete,
        competition_labels,
        independent,
    )
    from napari_clipseg.engine.features import Features
    from napari_clipseg.engine.labels import LabelSettings, label
    from napari_clipseg.engine.one_call import segment
    from napari_clipseg.engine.presence import Presence, presence, suggest_threshold
    from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt
    from napari_clipseg.engine.recipe import Recipe
    from napari_clipseg.engine.region import Region
    from napari_clipseg.engine.segmenter import Segmenter
    from napari_clipseg.engine.templates import TEMPLATES
    from napari_clipseg.engine.volume import VolumeSettings, segment_volume, volume_contrast
    from napari_clipseg.model.catalog import MODELS
    from napari_clipseg.model.checkpoint import load_model
    from napari_clipseg.widget.console import segment_layer
    from napari_clipseg.widget.panel import Panel

__version__ = "0.1.0"

__all__ = [
    "MODELS",
    "TEMPLATES",
    "ClipSegError",
    "ClusterSettings",
    "Contestant",
    "EngineError",
    "Features",
    "FeaturesInvalid",
    "ImageError",
    "LabelSettings",
    "LegendRow",
    "MaskPrompt",
    "Mix",
    "OutOfMemory",
    "OutputError",
    "Panel",
    "Presence",
    "PromptError",
    "Recipe",
    "Region",
    "Segmenter",
    "SettingError",
    "TextPrompt",
    "UnknownName",
    "UnsupportedLayer",
    "VolumeSettings",
    "WeightsInvalid",
    "WeightsNotFound",
    "__version__",
    "compete",
    "competition_labels",
    "independent",
    "label",
    "load_model",
    "presence",
    "segment",
    "segment_layer",
    "segment_on_cluster",
    "segment_volume",
    "suggest_threshold",
    "volume_contrast",
]

_HOMES = {
    "ClusterSettings": "cluster.job",
    "Contestant": "engine.competition",
    "Features": "engine.features",
    "LabelSettings": "engine.labels",
    "LegendRow": "engine.competition",
    "MODELS": "model.catalog",
    "MaskPrompt": "engine.prompts",
    "Mix": "engine.prompts",
    "Panel": "widget.panel",
    "Presence": "engine.presence",
    "Recipe": "engine.recipe",
    "Region": "engine.region",
    "Segmenter": "engine.segmenter",
    "TEMPLATES": "engine.templates",
    "TextPrompt": "engine.prompts",
    "VolumeSettings": "engine.volume",
    "compete": "engine.competition",
    "competition_labels": "engine.competition",
    "independent": "engine.competition",
    "label": "engine.labels",
    "load_model": "model.checkpoint",
    "presence": "engine.presence",
    "segment": "engine.one_call",
    "segment_layer": "widget.console",
    "segment_on_cluster": "cluster.run",
    "segment_volume": "engine.volume",
    "suggest_threshold": "engine.presence",
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
