"""Tables that grow while a run goes on, and that a resumed run takes up again."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


class Journal:
    """A CSV file with one row for each step that has something to say.

    Parameters
    ----------
    file : Path
        Begun anew unless :meth:`go_on` is called before the first row.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._begun = False

    def go_on(self, steps: int) -> None:
        """Keep what the file says about the first ``steps`` steps and forget the rest."""
        if not self._file.exists():
            return
        head, *rows = self._file.read_text(encoding="utf-8").splitlines()
        kept = [row for row in rows if int(row.split(",", 1)[0]) <= steps]
        self._file.write_text("\n".join([head, *kept, ""]), encoding="utf-8")
        self._begun = True

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append the values of a step; the first row fixes the columns."""
        row = {"step": step, **values}
        with self._file.open("a" if self._begun else "w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(row))
            if not self._begun:
                writer.writeheader()
            writer.writerow(row)
        self._begun = True
