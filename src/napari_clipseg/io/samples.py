"""The demo pictures as napari's sample data (File > Open Sample)."""

from __future__ import annotations

from typing import Any

from napari_clipseg.io.demo import demo_colour_image, demo_image

LayerData = tuple[Any, dict[str, Any], str]


def nuclei() -> list[LayerData]:
    """Return stained nuclei under a fluorescence microscope, one grey image layer."""
    return [(demo_image(), {"name": "nuclei"}, "image")]


def histology() -> list[LayerData]:
    """Return stained tissue under a brightfield microscope, one RGB image layer."""
    return [(demo_colour_image(), {"name": "histology", "rgb": True}, "image")]
