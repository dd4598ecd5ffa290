"""The shortest way: one call from an image to probability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Contrast
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.model.catalog import DEFAULT_MODEL
from napari_clipseg.model.clipseg import CLIPSeg


def segment(
    image: Any,
    prompts: Prompt | Sequence[Prompt],
    *,
    model: str | Path | CLIPSeg = DEFAULT_MODEL,
    contrast: Contrast = "auto",
    channels: tuple[int, ...] | None = None,
    nodata: float | None = None,
    **settings: Any,
) -> npt.NDArray[np.float32]:
    """Return the probability that each pixel belongs to a prompt.

    Parameters
    ----------
    image : array-like (H, W) or (H, W, C)
        Grey, RGB, RGBA or, with ``channels``, any number of channels.
    prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
        What to find.
    model : str, Path or CLIPSeg
        A name in :data:`napari_clipseg.MODELS`, a weights file or folder, a hub id, or a
        model in memory.
    contrast : "auto" or (float, float)
        The values that become black and white.
    channels : tuple of int, optional
        One channel as grey or three as R, G, B.
    nodata : float, optional
        The value, which may be NaN, that stands for "nothing here". Such pixels, and those
        whose alpha is 0, get probability 0.
    **settings
        Further settings of :class:`Segmenter`: device, precision, tile, overlap, zoom,
        batch, window.

    Returns
    -------
    ndarray float32
        (H, W) of one prompt, (P, H, W) of a sequence, in [0, 1].

    Raises
    ------
    ClipSegError
        One of its children says what is wrong with image, prompt, model or settings.

    References
    ----------
    Lüddecke & Ecker 2022, "Image Segmentation Using Text and Image Prompts",
    arXiv 2112.10003.
    """
    segmenter = Segmenter(model, **settings)
    return segmenter.probability(
        image, prompts, contrast=contrast, channels=channels, nodata=nodata
    )
