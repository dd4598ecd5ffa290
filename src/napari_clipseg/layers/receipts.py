"""What the probability in a layer was made from, so that the same is not made again."""

from __future__ import annotations

import dataclasses
import weakref
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

_ROWS = 256


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Receipt:
    """The features that a result was made from, and a checksum of what was written.

    Parameters
    ----------
    features : weakref of Features
        Kept alive by whoever goes on using them: no receipt holds the memory of an image.
    checksum : int
        CRC-32 of the values.
    """

    features: weakref.ref[Any]
    checksum: int

    @classmethod
    def of(cls, features: Any, values: npt.NDArray[np.float32]) -> Receipt:
        """Return the receipt of values (H, W) that were just made from features."""
        return cls(weakref.ref(features), _checksum(values))

    def holds(self, features: Any, values: npt.NDArray[np.float32]) -> bool:
        """Return whether values (H, W) are still those that were made from these features."""
        return self.features() is features and _checksum(values) == self.checksum


def _checksum(values: npt.NDArray[np.float32]) -> int:
    found = 0
    for row in range(0, len(values), _ROWS):
        found = zlib.crc32(np.ascontiguousarray(values[row : row + _ROWS]).data, found)
    return found
