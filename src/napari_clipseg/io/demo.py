"""Two small microscopy pictures with their truth, to try things on (CC0, see ``demo/``)."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import imageio.v3 as imageio
import numpy as np
import numpy.typing as npt


def demo_image() -> npt.NDArray[np.uint8]:
    """Return stained nuclei under a fluorescence microscope, (383, 512) uint8."""
    return np.asarray(_read("nuclei_fluorescence.png"), np.uint8)


def demo_truth() -> npt.NDArray[np.int32]:
    """Return the 58 nuclei of :func:`demo_image`, (383, 512) int32, 0 is background."""
    return np.asarray(_read("nuclei_fluorescence_truth.png"), np.int32)


def demo_colour_image() -> npt.NDArray[np.uint8]:
    """Return stained tissue under a brightfield microscope, (256, 320, 3) uint8 RGB."""
    return np.asarray(_read("nuclei_histology.jpg"), np.uint8)


def demo_colour_truth() -> npt.NDArray[np.int32]:
    """Return the 61 nuclei of :func:`demo_colour_image`, (256, 320) int32, 0 is background."""
    return np.asarray(_read("nuclei_histology_truth.png"), np.int32)


def _read(name: str) -> npt.NDArray[Any]:
    with as_file(files("napari_clipseg") / "io" / "demo" / name) as path:
        return np.asarray(imageio.imread(path))
