"""Which tiles were encoded together, so that lost ones are encoded again in the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_clipseg.errors import OutputError


class Companies:
    """The batches that do not hold all tiles they could, as a region leaves them.

    A tile's last bits depend on how many tiles were computed with it. Whole batches need no
    record: a tile without one belongs to all tiles of its batch that have none.

    Parameters
    ----------
    file : Path, optional
        Where the record lasts: one line of numbers for each batch, added before its tiles are
        written. Without a file it is kept in memory only.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._of: dict[int, tuple[int, ...]] = {}
        if file is not None and file.exists():
            # a last line without its end was cut by a crash, before any of its tiles was written
            for line in file.read_text(encoding="ascii").split("\n")[:-1]:
                self._note(tuple(map(int, line.split())))

    def to_encode(
        self, batch: Sequence[int], missing: Sequence[int], has: Callable[[int], bool]
    ) -> list[tuple[int, ...]]:
        """Return what must be encoded together so that some missing tiles are there.

        Parameters
        ----------
        batch : sequence of int
            All tiles of the batch.
        missing : sequence of int
            Those of its tiles that are asked for and not there.
        has : callable
            Whether a tile is there.
        """
        known = {self._of[tile]: None for tile in missing if tile in self._of}
        alone = [tile for tile in batch if tile not in self._of]
        fresh = [tile for tile in missing if tile not in self._of]
        if not fresh:
            return list(known)
        begun = any(has(tile) for tile in alone)
        return [*known, tuple(alone if begun else fresh)]

    def add(self, tiles: tuple[int, ...]) -> None:
        """Record tiles that are about to be written and are not a whole batch.

        Raises
        ------
        OutputError
            If the record cannot be written.
        """
        if self._of.get(tiles[0]) == tiles:
            return
        self._note(tiles)
        if self._file is None:
            return
        try:
            with self._file.open("a", encoding="ascii") as record:
                record.write(" ".join(map(str, tiles)) + "\n")
        except OSError as error:
            raise OutputError(f"features cannot be written to {self._file}: {error}") from error

    def _note(self, tiles: tuple[int, ...]) -> None:
        self._of.update(dict.fromkeys(tiles, tiles))
