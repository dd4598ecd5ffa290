"""All the ways to point at an object in a prompt image that the paper compares. No torch.

A new way is an entry of :data:`VARIANTS` at the bottom.

References
----------
Lüddecke & Ecker 2022, arXiv 2112.10003, table 2, and the authors' ``Visual_Feature_Engineering``
notebook for the parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.transform import resize

from napari_clipseg.engine.visual_prompt import BLUR_RADIUS, bounding_box, grow
from napari_clipseg.model.config import IMAGENET_MEAN

Rgb = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

RED = np.array([1.0, 0.0, 0.0], np.float32)
DYE = np.array([1.0, 0.2, 0.2], np.float32)
"""What the grey values of a dyed object are multiplied by."""

OUTLINE_WIDTH = 5
"""Thickness of the outline in pixels."""

_MEAN = np.asarray(IMAGENET_MEAN, np.float32)
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class Highlight:
    """The object as it is, all else dimmed and blurred; cut out with some context.

    Parameters
    ----------
    background : float
        Intensity of what is not the object; the rest is the mean colour of ImageNet.
    blur : float
        Standard deviation in pixels of the blur of what is not the object; 0 for none.
    context : float, optional
        Share of the object's extent that is kept on each side; None keeps the whole picture.
    """

    background: float = 1.0
    blur: float = 0.0
    context: float | None = None

    def __call__(self, rgb: Rgb, mask: Mask) -> Rgb:
        """Return the prompt image (h, w, 3) float32 of a picture (H, W, 3) and a mask (H, W)."""
        faint = _MEAN + self.background * (_blurred(rgb, self.blur) - _MEAN)
        shown = np.where(mask[..., None], rgb, faint)
        if self.context is None:
            return shown
        y0, x0, y1, x1 = grow(bounding_box(mask), self.context, mask.shape)
        return _padded(shown[y0:y1, x0:x1])


def dyed(rgb: Rgb, mask: Mask) -> Rgb:
    """Return the picture in grey with the object in red."""
    grey = (rgb @ _GREY)[..., None]
    return np.asarray(np.where(mask[..., None], grey * DYE, grey), np.float32)


def outlined(rgb: Rgb, mask: Mask) -> Rgb:
    """Return the picture with a red line along the object's outer border."""
    filled = ndimage.binary_fill_holes(mask)
    inner = ndimage.binary_erosion(filled, iterations=OUTLINE_WIDTH // 2)
    outer = ndimage.binary_dilation(filled, iterations=OUTLINE_WIDTH - OUTLINE_WIDTH // 2)
    return np.where((outer & ~inner)[..., None], RED, rgb)


def prompt_image(variant: Callable[[Rgb, Mask], Rgb], rgb: Rgb, mask: Mask, side: int) -> Rgb:
    """Return a variant's prompt image, resized to a square.

    Parameters
    ----------
    variant : callable
        One of :data:`VARIANTS`.
    rgb : ndarray (H, W, 3) float32
        In [0, 1].
    mask : ndarray (H, W) bool
        With at least one pixel set.
    side : int
        Side of the result in pixels.

    Returns
    -------
    ndarray (side, side, 3) float32
    """
    return resized(variant(rgb, mask), side)


def resized(rgb: Rgb, side: int) -> Rgb:
    """Return a picture resized to a square, bilinear, antialiased where it shrinks."""
    shrinks = max(rgb.shape[:2]) > side
    square = resize(rgb, (side, side), order=1, mode="edge", anti_aliasing=shrinks)
    return np.asarray(square, np.float32)


def _blurred(rgb: Rgb, sigma: float) -> Rgb:
    if sigma == 0:
        return rgb
    blurred: Rgb = ndimage.gaussian_filter(
        rgb, (sigma, sigma, 0), mode="mirror", truncate=BLUR_RADIUS / sigma
    )
    return blurred


def _padded(crop: Rgb) -> Rgb:
    """Return a crop in the middle of a square of the mean colour."""
    height, width = crop.shape[:2]
    side = max(height, width)
    square = np.broadcast_to(_MEAN, (side, side, 3)).copy()
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = crop
    return square


VARIANTS: dict[str, Callable[[Rgb, Mask], Rgb]] = {
    "object red in grey picture": dyed,
    "red outline": outlined,
    "background 50 %": Highlight(background=0.5),
    "background 10 %": Highlight(background=0.1),
    "background 0 %": Highlight(background=0.0),
    "background blurred": Highlight(blur=3),
    "background blurred, 10 %": Highlight(background=0.1, blur=3),
    "crop, large context": Highlight(context=0.5),
    "crop": Highlight(context=0.1),
    "crop, blurred": Highlight(blur=3, context=0.5),
    "crop, 10 %": Highlight(background=0.1, context=0.1),
    "crop, blurred, 10 %": Highlight(background=0.1, blur=3, context=0.1),
}
"""Name -> way to point at an object."""

PAPERS_CHOICE = "crop, blurred, 10 %"
"""What CLIPSeg uses; :func:`napari_clipseg.engine.visual_prompt.highlight` is the same."""
