"""Tables that grow while a run goes on, and that a resumed run takes up again."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from napari_clipseg.atomic import atomic_path
from napari_clipseg.errors import OutputError

LOG, SCORES = "log.csv", "validation.csv"
"""Names of a run's tables: one row for each step, and one for each validation."""


class Journal:
    """A CSV file with one row for each step that has something to say.

    Parameters
    ----------
    file : Path
        Begun anew unless :meth:`go_on` is called before the first row.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._columns: list[str] = []
        self._last = 0

    def go_on(self, steps: int) -> None:
        """Keep what the file says about the first ``steps`` steps and forget the rest.

        Rows that a full disk cut short are forgotten, too. A file without a whole row is removed.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        head, *rows = read_table(self._file)
        kept = [row for row in rows if int(row[0]) <= steps]
        if not kept:
            self._file.unlink(missing_ok=True)
            return
        with (
            atomic_path(self._file) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8") as stream,
        ):
            csv.writer(stream, lineterminator="\n").writerows([head, *kept])
        self._columns, self._last = head, int(kept[-1][0])

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append the values of a step, unless the file has them; the first row fixes the columns.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        if step <= self._last:
            return
        row = {"step": step, **values}
        columns = self._columns or list(row)
        mode = "a" if self._columns else "w"
        try:
            with self._file.open(mode, newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, columns, lineterminator="\n")
                if not self._columns:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise OutputError(
                f"{self._file} cannot be written: {error.strerror or error}"
            ) from error
        self._columns, self._last = columns, step


def read_table(file: Path) -> list[list[str]]:
    """Return the names of a table's columns and its whole rows, each of which begins with a step.

    Parameters
    ----------
    file : Path
        Need not exist.

    Returns
    -------
    list of list of str
        At least one, empty where the file holds nothing.
    """
    if not file.exists():
        return [[]]
    with file.open(newline="", encoding="utf-8", errors="replace") as stream:
        head, *rows = [*csv.reader(stream)] or [[]]
    return [head, *(row for row in rows if len(row) == len(head) and row[0].isdecimal())]
