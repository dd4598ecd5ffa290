"""One download from the Hugging Face hub, watched and cancelled by a callback. No torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import huggingface_hub
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from napari_clipseg.errors import WeightsNotFound
from napari_clipseg.model.catalog import Hub

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and, where known, the bytes there will be."""


def download(hub: Hub, folder: Path, progress: Progress | None = None) -> Path:
    """Return the weights file of a repository, fetched with what belongs to it.

    Parameters
    ----------
    hub : Hub
    folder : Path
        huggingface_hub's cache or one laid out like it.
    progress : callable, optional
        Follows the weights file. An exception that it raises cancels and reaches the caller.

    Returns
    -------
    Path

    Raises
    ------
    WeightsNotFound
        If the hub is not reached or does not hold the files.
    """
    for extra in hub.extra:
        _download_file(hub, extra, folder, _Transfer(None))
    for weights in hub.weights:
        path = _download_file(hub, weights, folder, _Transfer(progress))
        if path is not None:
            return path
    raise WeightsNotFound(f"{hub.url} holds none of {', '.join(hub.weights)}")


def _download_file(hub: Hub, filename: str, folder: Path, transfer: _Transfer) -> Path | None:
    """Return a file of a repository, None if the repository does not hold it."""
    try:
        path = huggingface_hub.hf_hub_download(
            hub.repo, filename, cache_dir=folder, tqdm_class=transfer.bar_class()
        )
    # not narrower: the errors of whichever HTTP library huggingface_hub is built on come through
    except Exception as error:
        transfer.raise_if_cancelled()
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            return None
        raise _not_delivered(hub, filename, error) from error
    transfer.raise_if_cancelled()
    return Path(path)


def _not_delivered(hub: Hub, filename: str, error: Exception) -> WeightsNotFound:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return WeightsNotFound(
        f"{filename} could not be fetched from {hub.url}: {reason}. Check connection, proxy and "
        "free disk space, or fetch the files by hand and give the path of their folder."
    )


class _Transfer:
    """What one download reports to its caller, and what the caller answered."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._failure: BaseException | None = None

    def report(self, done: int, total: int | None) -> None:
        if self._progress is None:
            return
        try:
            self._progress(done, total)
        except BaseException as failure:
            self._failure = failure  # Xet reports from a thread that would swallow it
            raise

    def raise_if_cancelled(self) -> None:
        if self._failure is not None:
            raise self._failure

    def bar_class(self) -> type[_Bar]:
        """Return a bar that reports here; huggingface_hub takes a class, not an object."""
        return type("_ReportingBar", (_Bar,), {"transfer": self})


class _Bar:
    """Takes the place of the tqdm bar that huggingface_hub would draw."""

    transfer: ClassVar[_Transfer]

    def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
        self.n = initial
        self.total = total

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, count: float = 1) -> None:
        self.n += int(count)
        self.transfer.report(self.n, self.total)

    def update_transfer(self, count: float = 1) -> None:
        """Leave out the bytes on the wire, which Xet counts beside those on the disk."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Answer what only a drawn bar can do (captions, refresh, close) by doing nothing."""
        return _do_nothing


def _do_nothing(*_: object, **__: object) -> None:
    return None
