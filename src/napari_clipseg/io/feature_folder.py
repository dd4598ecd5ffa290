"""A folder of encoded images that stays within a budget."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from napari_clipseg.errors import SettingError
from napari_clipseg.io.identity import size_on_disk

SUFFIX = ".features"
STAMP = "zarr.json"
"""The file in each entry whose time of change says when the entry was last used."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """The features of one image.

    Parameters
    ----------
    path : Path
    size : int
        Bytes on disk.
    used : float
        Time of the last use in seconds since 1970.
    """

    path: Path
    size: int
    used: float


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureFolder:
    """Encoded images, found again by what they were made from.

    Parameters
    ----------
    path : Path
    budget : int, optional
        Bytes that all entries may take together.
    """

    path: Path
    budget: int | None = None

    def place(self, name: str, origin: dict[str, Any], expected: int) -> Path:
        """Return where features belong, after making room for them.

        Parameters
        ----------
        name : str
            Of the image, for people.
        origin : dict
            All that the features depend on, as JSON values.
        expected : int
            Bytes that they will take.

        Raises
        ------
        SettingError
            If they alone take more than the budget.
        """
        key = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:16]
        place = self.path / f"{name}-{key}{SUFFIX}"
        self.path.mkdir(parents=True, exist_ok=True)
        if (place / STAMP).exists():
            os.utime(place / STAMP)
        else:
            shutil.rmtree(place, ignore_errors=True)
        if self.budget is not None:
            if expected > self.budget:
                raise SettingError(
                    f"the features of {name} take {expected / 1e9:.3f} GB, more than the budget "
                    f"of {self.budget / 1e9:.3f} GB"
                )
            self.prune(self.budget - expected, keep=place)
        return place

    def entries(self) -> list[Entry]:
        """Return what is there, the least recently used first."""
        folders = [each for each in self.path.glob(f"*{SUFFIX}") if (each / STAMP).exists()]
        entries = [Entry(f, size_on_disk(f), (f / STAMP).stat().st_mtime) for f in folders]
        return sorted(entries, key=lambda each: each.used)

    def prune(self, budget: int, keep: Path | None = None) -> list[Entry]:
        """Remove the least recently used until the others fit a budget; return what went.

        Parameters
        ----------
        budget : int
            Bytes.
        keep : Path, optional
            An entry that stays and does not count.
        """
        entries = [each for each in self.entries() if each.path != keep]
        total, gone = sum(each.size for each in entries), []
        for entry in entries:
            if total <= budget:
                break
            # without its stamp a folder that is only half removed is no entry any more
            (entry.path / STAMP).unlink()
            shutil.rmtree(entry.path)
            total -= entry.size
            gone.append(entry)
        return gone
