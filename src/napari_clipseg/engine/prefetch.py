"""Work done ahead by one thread, so that reading goes on while the network computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")

_POLL_S = 0.1
"""Seconds after which a thread that waits for room looks whether it is still wanted."""


def ahead(
    work: Callable[[Item], Value], items: Iterable[Item], depth: int
) -> Generator[tuple[Item, Value]]:
    """Yield each item with ``work(item)``, in order, computed up to ``depth`` values ahead.

    Parameters
    ----------
    work : callable
        Run in one thread of its own, item after item.
    items : iterable
        Read in that thread too.
    depth : int
        Values that may wait, at least 1: memory is that of ``depth + 2`` values.

    Raises
    ------
    BaseException
        What ``work`` or ``items`` raised, after the values before it.

    Notes
    -----
    When the generator is closed, ends or raises, the thread has ended: closing waits for the
    item that it is at.
    """
    results: queue.Queue[_Result[Item, Value]] = queue.Queue(depth)
    wanted = threading.Event()
    wanted.set()
    worker = _Worker(work, items, results, wanted)
    thread = threading.Thread(target=worker.run, name="clipseg-ahead", daemon=True)
    thread.start()
    try:
        while (result := results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        wanted.clear()
        thread.join()


_Result = tuple[Item, Value] | BaseException | None
"""A value with its item, what was raised, or None for the end."""


class _Worker(Generic[Item, Value]):
    """What the thread does."""

    def __init__(
        self,
        work: Callable[[Item], Value],
        items: Iterable[Item],
        results: queue.Queue[_Result[Item, Value]],
        wanted: threading.Event,
    ) -> None:
        self._work = work
        self._items = items
        self._results = results
        self._wanted = wanted

    def run(self) -> None:
        """Put a value for each item, then None; an exception ends it."""
        try:
            for item in self._items:
                if not self._wanted.is_set():
                    return
                self._put((item, self._work(item)))
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, result: _Result[Item, Value]) -> None:
        while self._wanted.is_set():
            try:
                return self._results.put(result, timeout=_POLL_S)
            except queue.Full:
                continue
