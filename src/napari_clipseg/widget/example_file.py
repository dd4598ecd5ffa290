"""The example of a row as files that the command line reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_clipseg.layers.query import read_query
from napari_clipseg.widget.prompting import query_settings, read_example
from napari_clipseg.widget.request import PromptRow

if TYPE_CHECKING:
    from napari import Viewer

    from napari_clipseg.engine.prompts import MaskPrompt
    from napari_clipseg.widget.request import RunRequest


def example_of(viewer: Viewer, request: RunRequest) -> tuple[MaskPrompt, bool]:
    """Return the example of the first row that has one, and whether the query image is under it.

    Raises
    ------
    PromptError
        If no row has an example, or nothing is painted.
    UnsupportedLayer
        If no plane of the image or of the example is shown.
    """
    row = next((each for each in request.prompts if each.example is not None), PromptRow())
    query = read_query(viewer, request.image, query_settings(request))
    prompt = read_example(viewer, row, query)
    return prompt, prompt.image is query.data


def write_example(
    viewer: Viewer, request: RunRequest, mask: str | Path, image: str | Path | None = None
) -> None:
    """Write an example as ``--support-mask`` takes it, and what lies under it.

    Parameters
    ----------
    viewer : napari.Viewer
    request : RunRequest
        Whose first row with an example is meant, painted, drawn, or on another plane.
    mask : path
        Becomes a TIFF (H, W) uint8: 1 where the example is.
    image : path, optional
        Becomes a TIFF (H, W, 3) float32 in [0, 1]: the image under the example as the model
        sees it, for ``--support-image``. Needed only where that is not the query image itself.

    Raises
    ------
    PromptError
        If there is no example.
    UnsupportedLayer
        If no plane of the image or of the example is shown.
    """
    prompt, _ = example_of(viewer, request)
    painted = np.asarray(prompt.mask, np.uint8)
    tifffile.imwrite(mask, painted, photometric="minisblack", compression="zlib")
    if image is not None:
        seen = prompt.pixels().read((0, 0, *painted.shape))
        tifffile.imwrite(image, seen, photometric="rgb", compression="zlib")
