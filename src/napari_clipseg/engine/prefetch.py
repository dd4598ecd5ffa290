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
        Values that may wait, at least 1: memory is that of ``depth + 1`` values.

    Raises
    ------
    BaseException
        What ``work`` or ``items`` raised, after the values before it.

    Notes
    -----
    When the generator is closed, ends or raises, the thread has ended: closing waits for the
    item that it is at.
    """
    worker = _Worker(work, items, depth)
    thread = threading.Thread(target=worker.run, name="clipseg-ahead", daemon=True)
    thread.start()
    try:
        while (result := worker.results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            worker.room.release()
            yield result
    finally:
        worker.wanted.clear()
        thread.join()


_Result = tuple[Item, Value] | BaseException | None
"""A value with its item, what was raised, or None for the end."""


class _Worker(Generic[Item, Value]):
    """What the thread does.

    Attributes
    ----------
    results : queue
        A value for each item, then None; an exception ends it.
    room : Semaphore
        How many more values may be made before one is taken.
    wanted : Event
        Cleared when no further value is wanted.
    """

    def __init__(self, work: Callable[[Item], Value], items: Iterable[Item], depth: int) -> None:
        self.results: queue.SimpleQueue[_Result[Item, Value]] = queue.SimpleQueue()
        self.room = threading.Semaphore(depth)
        self.wanted = threading.Event()
        self.wanted.set()
        self._work, self._items = work, items

    def run(self) -> None:
        """Put results until there is no item left or no value is wanted."""
        try:
            for item in self._items:
                if not self._has_room():
                    return
                self.results.put((item, self._work(item)))
            self.results.put(None)
        except BaseException as error:
            self.results.put(error)

    def _has_room(self) -> bool:
        """Wait for room; return whether a value is still wanted."""
        while self.wanted.is_set():
            if self.room.acquire(timeout=_POLL_S):
                return True
        return False
