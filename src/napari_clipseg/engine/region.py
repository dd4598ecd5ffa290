"""The part of an image that is asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Box
from napari_clipseg.errors import SettingError


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Pixels of an image (H, W): those of a box, or of a mask within a box.

    Parameters
    ----------
    box : Box
        (y0, x0, y1, x1), half-open, in pixels of the image.
    mask : ndarray (y1 - y0, x1 - x0) bool, optional
        Which pixels of the box are meant; all of them without one.

    Raises
    ------
    SettingError
        If there is no pixel in it, or the mask is not of the box's shape.
    """

    box: Box
    mask: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        y0, x0, y1, x1 = self.box
        if not (0 <= y0 < y1 and 0 <= x0 < x1):
            raise SettingError(
                f"the region {self.box} holds no pixels of the image; choose rows y0 < y1 and "
                "columns x0 < x1, counted from 0"
            )
        if self.mask is None:
            return
        mask = np.asarray(self.mask, bool)
        if mask.shape != self.shape:
            raise SettingError(f"the region's mask has the shape {mask.shape}, not {self.shape}")
        if not mask.any():
            raise SettingError("the region is empty; draw a shape or paint where to look")
        object.__setattr__(self, "mask", mask)

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Region:
        """Return all of an image of this height and width."""
        return cls((0, 0, *shape))

    @classmethod
    def of_mask(cls, mask: npt.ArrayLike) -> Region:
        """Return the region that a mask of the whole image covers, in its smallest box.

        Parameters
        ----------
        mask : array-like (H, W)
            Every value but zero counts.

        Raises
        ------
        SettingError
            If the mask is not two-dimensional or empty.
        """
        inside = np.asarray(mask) != 0
        if inside.ndim != 2:
            raise SettingError(f"a region's mask has the shape (H, W), not {inside.shape}")
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        if not len(rows):
            raise SettingError("the region is empty; draw a shape or paint where to look")
        y0, y1 = int(rows[0]), int(rows[-1]) + 1
        x0, x1 = int(columns[0]), int(columns[-1]) + 1
        cut = inside[y0:y1, x0:x1]
        return cls((y0, x0, y1, x1), None if cut.all() else cut.copy())

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Region:
        """Return the region that :meth:`to_json` described."""
        y0, x0, y1, x1 = values["box"]
        if "runs" not in values:
            return cls((y0, x0, y1, x1))
        runs = np.asarray(values["runs"], int)
        inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return cls((y0, x0, y1, x1), inside.reshape(y1 - y0, x1 - x0))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the box in pixels."""
        y0, x0, y1, x1 = self.box
        return y1 - y0, x1 - x0

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        height, width = self.shape
        return height * width if self.mask is None else int(self.mask.sum())

    def check_inside(self, shape: tuple[int, int]) -> None:
        """Raise :class:`SettingError` if the region reaches beyond an image (H, W)."""
        _, _, y1, x1 = self.box
        if y1 > shape[0] or x1 > shape[1]:
            raise SettingError(
                f"the region {self.box} reaches beyond the image of {shape[0]} x {shape[1]} "
                "pixels; choose a part of the image"
            )

    def cut(self, box: Box) -> Box | None:
        """Return what of a box lies in the region's box, None if nothing does."""
        y0, x0, y1, x1 = (
            max(box[0], self.box[0]),
            max(box[1], self.box[1]),
            min(box[2], self.box[2]),
            min(box[3], self.box[3]),
        )
        return (y0, x0, y1, x1) if y0 < y1 and x0 < x1 else None

    def touches(self, box: Box) -> bool:
        """Return whether a box of the image holds a pixel of the region."""
        shared = self.cut(box)
        if shared is None or self.mask is None:
            return shared is not None
        y0, x0, y1, x1 = shared
        top, left = self.box[:2]
        return bool(self.mask[y0 - top : y1 - top, x0 - left : x1 - left].any())

    def to_json(self) -> dict[str, Any]:
        """Return the box and, with a mask, its run lengths row by row, zeros first."""
        if self.mask is None:
            return {"box": list(self.box)}
        flat = np.concatenate([[False], self.mask.ravel()])
        changes = np.flatnonzero(flat[1:] != flat[:-1])
        runs = np.diff(np.concatenate([[0], changes, [self.mask.size]]))
        return {"box": list(self.box), "runs": runs.tolist()}
