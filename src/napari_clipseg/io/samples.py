"""The demo images as napari's sample data (File > Open Sample)."""

from __future__ import annotations

from typing import Any

from napari_clipseg.io.demo import demo_colour_image, demo_image
from napari_clipseg.io.demo_stack import VOXEL_UM, demo_stack

LayerData = tuple[Any, dict[str, Any], str]


def nuclei() -> list[LayerData]:
    """Return stained nuclei under a fluorescence microscope, one grey image layer."""
    return [(demo_image(), {"name": "nuclei"}, "image")]


def histology() -> list[LayerData]:
    """Return stained tissue under a brightfield microscope, one RGB image layer."""
    return [(demo_colour_image(), {"name": "histology", "rgb": True}, "image")]


def nuclei_stack() -> list[LayerData]:
    """Return generated nuclei in 3-D, one grey image layer with its size in micrometres."""
    place = {"scale": VOXEL_UM, "units": ("um",) * 3, "axis_labels": ("z", "y", "x")}
    return [(demo_stack(), {"name": "nuclei stack", **place}, "image")]
