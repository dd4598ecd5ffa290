from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from napari_clipseg.engine.prefetch import ahead


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "clipseg-ahead"]


def test_values_come_in_order_with_their_items():
    assert list(ahead(lambda n: n * n, range(50), 2)) == [(n, n * n) for n in range(50)]
    assert not threads()


def test_no_more_values_wait_than_asked_for():
    worked: list[int] = []
    values = ahead(worked.append, range(100), depth=3)
    next(values)
    time.sleep(0.3)
    assert len(worked) == 1 + 3  # taken and waiting: nothing is made for which there is no room
    values.close()


def test_reading_goes_on_while_the_consumer_works():
    started = threading.Event()
    values = ahead(lambda n: started.set() if n == 1 else None, range(3), 1)
    next(values)
    assert started.wait(5)
    values.close()


def test_an_error_of_the_work_arrives_after_the_values_before_it():
    def work(number: int) -> int:
        if number == 2:
            raise OSError("chunk 2 is damaged")
        return number

    seen = []
    with pytest.raises(OSError, match="chunk 2"):
        seen.extend(value for _, value in ahead(work, range(5), 4))
    values = ahead(work, range(5), 4)
    assert [next(values)[1], next(values)[1]] == [0, 1]
    with pytest.raises(OSError, match="chunk 2"):
        next(values)
    assert not threads()


def test_an_error_of_the_items_arrives():
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(ahead(str, items(), 1))
    assert not threads()


def test_a_consumer_that_stops_leaves_no_thread():
    worked: list[int] = []
    values = ahead(worked.append, iter(range(10**9)), 2)
    next(values)
    values.close()
    assert not threads()
    count = len(worked)
    time.sleep(0.2)
    assert len(worked) == count <= 5


def test_a_consumer_that_fails_leaves_no_thread():
    values = ahead(str, iter(range(10**9)), 2)
    with pytest.raises(KeyError):
        for _ in values:
            raise KeyError
    values.close()
    assert not threads()


def test_nothing_to_do_is_nothing():
    assert list(ahead(str, [], 1)) == []
    assert not threads()
