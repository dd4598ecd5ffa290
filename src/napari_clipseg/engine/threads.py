"""How many processor cores torch computes with."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with so many threads of torch: on CPUs another number may round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def a_core_spared() -> Iterator[None]:
    """Leave a core to whoever shows what is computed.

    Notes
    -----
    The threads of torch wait for the slowest of them, so that one which shares its core with a
    viewer holds up all others: on two cores a single thread was faster by a quarter.
    """
    every = _threads_at_the_start()
    torch.set_num_threads(max(every - 1, 1))
    try:
        yield
    finally:
        torch.set_num_threads(every)


# not what there are when a run begins: another, in another viewer, may spare a core already
_threads_at_the_start = functools.cache(torch.get_num_threads)
