"""From a support image and mask to the prompt image that CLIP understands best.

References
----------
Lüddecke & Ecker 2022, arXiv 2112.10003, section 4.2 and table 2, last row: background
dimmed to 10 % and blurred, cropped around the object with a little context.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import measure
from skimage.transform import resize

from napari_clipseg.engine.pixels import Box, Pixels
from napari_clipseg.model.config import IMAGENET_MEAN

CONTEXT = 0.1
"""Share of the object's extent that is kept on each side of it."""

BACKGROUND = 0.1
"""Intensity of the background; the rest is the mean colour of the training images."""

BLUR_SIGMA = 3.0
"""Standard deviation in pixels of the blur of the background."""

BLUR_RADIUS = 7
"""Half-width in pixels of the blur's kernel (15 x 15 in the authors' code)."""


MOST_OBJECTS = 16
"""Objects of one support mask that are looked at."""

SPECK = 0.05
"""Share of the largest object's pixels below which an object is taken for a slip of the brush."""


def highlight(
    rgb: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], *, side: int
) -> npt.NDArray[np.float32]:
    """Return the prompt image: the masked object cut out, all else faint and blurred.

    Parameters
    ----------
    rgb : ndarray (H, W, 3) float32
        Support image in [0, 1].
    mask : ndarray (H, W) bool
        Support mask with at least one pixel set.
    side : int
        Side of the result in pixels.

    Returns
    -------
    ndarray (side, side, 3) float32
        In [0, 1]; what lies beyond the image has the mean colour of ImageNet, which is
        zero once normalised.

    Notes
    -----
    The authors resize with nearest neighbours; here it is bilinear, antialiased.
    """
    y0, x0, y1, x1 = grow(bounding_box(mask), CONTEXT, mask.shape)
    crop = _dim_background(rgb, mask)[y0:y1, x0:x1]
    square = _pad_to_square(crop)
    scaled = resize(square, (side, side), order=1, mode="edge", anti_aliasing=len(square) > side)
    return np.asarray(scaled, np.float32)


def prompt_image(
    pixels: Pixels, mask: npt.NDArray[np.bool_], *, side: int
) -> npt.NDArray[np.float32]:
    """Return :func:`highlight` of an image of any size, reading only what is around the mask."""
    y0, x0, y1, x1 = grow(bounding_box(mask), CONTEXT, mask.shape)
    height, width = mask.shape
    y0, x0 = max(y0 - BLUR_RADIUS, 0), max(x0 - BLUR_RADIUS, 0)
    y1, x1 = min(y1 + BLUR_RADIUS, height), min(x1 + BLUR_RADIUS, width)
    return highlight(pixels.read((y0, x0, y1, x1)), mask[y0:y1, x0:x1], side=side)


def separate_objects(mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    """Return the connected objects of a support mask, each as a mask (H, W) of its own.

    Several painted objects are several examples: cropped together, little of the picture
    would be theirs. At most :data:`MOST_OBJECTS` are returned, the largest first; specks
    smaller than :data:`SPECK` of the largest, which slip from a brush, are left out.
    """
    objects = measure.label(mask)
    sizes = np.bincount(objects.ravel())
    sizes[0] = 0
    largest = np.argsort(-sizes, kind="stable")[:MOST_OBJECTS]
    return [objects == number for number in largest if sizes[number] > SPECK * sizes.max()]


def bounding_box(mask: npt.NDArray[np.bool_]) -> Box:
    """Return the smallest box (y0, x0, y1, x1) that holds all set pixels."""
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def grow(box: Box, share: float, shape: tuple[int, int]) -> Box:
    """Return a box grown on each side by a share of its own extent, within ``shape``."""
    y0, x0, y1, x1 = box
    down, across = int(share * (y1 - y0)), int(share * (x1 - x0))
    return (
        max(y0 - down, 0),
        max(x0 - across, 0),
        min(y1 + down, shape[0]),
        min(x1 + across, shape[1]),
    )


def _dim_background(
    rgb: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    mean = np.asarray(IMAGENET_MEAN, np.float32)
    blurred = ndimage.gaussian_filter(
        rgb, (BLUR_SIGMA, BLUR_SIGMA, 0), mode="mirror", truncate=BLUR_RADIUS / BLUR_SIGMA
    )
    faint = mean + BACKGROUND * (blurred - mean)
    return np.where(mask[..., None], rgb, faint)


def _pad_to_square(crop: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    height, width = crop.shape[:2]
    side = max(height, width)
    square = np.broadcast_to(np.asarray(IMAGENET_MEAN, np.float32), (side, side, 3)).copy()
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = crop
    return square
