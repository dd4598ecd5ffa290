"""Work in another thread that always ends in an orderly way: with its viewer and its process."""

from __future__ import annotations

import atexit
import dataclasses
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker

Work = Callable[[], Generator[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Listener:
    """Who is told of work, always in the GUI thread.

    Parameters
    ----------
    on_value : callable
        Gets each value that the work yields.
    on_failure : callable
        Gets the error that ended the work.
    on_end : callable
        Called last, whatever happened.
    """

    on_value: Callable[[Any], None]
    on_failure: Callable[[Exception], None]
    on_end: Callable[[], None]


def in_background(
    work: Work, listener: Listener, stop: Callable[[], None], bar: str = ""
) -> Worker:
    """Start work in a thread of its own.

    Parameters
    ----------
    work : callable
        Returns the generator that does it.
    listener : Listener
    stop : callable
        Has the work end soon, by itself. Called in any thread, maybe more than once: when the
        viewer is closed, the application quits or the process ends, which all wait for it.
    bar : str
        What napari's activity dock calls the work; empty: it shows no bar for it.

    Returns
    -------
    Worker
        Running; ``pbar`` is the bar.
    """
    worker: Worker = create_worker(
        clipseg_work,
        work,
        stop=stop,
        _worker_class=Worker,
        _progress={"desc": bar} if bar else None,
        _start_thread=False,
        _connect={"yielded": partial(_pass_on, listener), "finished": listener.on_end},
    )
    worker.start()
    return worker


class Worker(GeneratorWorker):  # type: ignore[misc]
    """napari's worker, of which napari knows how to end it: it calls ``quit`` of all it knows."""

    def __init__(self, *work: Any, stop: Callable[[], None]) -> None:
        super().__init__(*work)
        self._stop = stop
        self.ended = threading.Event()

    def quit(self) -> None:
        """Have the work end by itself: one that is broken off cannot bring back what was."""
        self._stop()

    def run(self) -> None:
        """Do the work, unless the process is about to end."""
        if _leaving.is_set():
            return
        _at_work.add(self)
        try:
            super().run()
        finally:
            _at_work.discard(self)
            self.ended.set()


@dataclasses.dataclass(frozen=True, slots=True)
class _Failure:
    error: Exception


def clipseg_work(work: Work) -> Generator[Any]:
    """Do work and yield what ended it; napari shows this name while it asks whether to close.

    An error leaves as a value. napari connects a function of no arguments to a worker's signal
    for errors, which PySide6 calls with one; and generator workers keep RuntimeErrors back.
    """
    try:
        yield from work()
    except Exception as error:
        yield _Failure(error)


def _pass_on(listener: Listener, value: Any) -> None:
    if isinstance(value, _Failure):
        listener.on_failure(value.error)
    else:
        listener.on_value(value)


_at_work: set[Worker] = set()
_leaving = threading.Event()


@atexit.register
def _leave() -> None:
    """Wait for all work before Python goes: a thread that outlives it ends in an abort."""
    _leaving.set()
    running = tuple(_at_work)
    for worker in running:
        worker.quit()
    for worker in running:
        worker.ended.wait()
