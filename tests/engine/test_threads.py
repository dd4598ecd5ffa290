"""How many cores torch computes with."""

import pytest
import torch

from napari_clipseg.engine import threads
from napari_clipseg.engine.threads import a_core_spared, torch_threads


@pytest.fixture
def four_threads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "_threads_at_the_start", lambda: 4)
    with torch_threads(4):
        yield


@pytest.mark.usefixtures("four_threads")
def test_a_number_of_threads_holds_until_the_end():
    with pytest.raises(ZeroDivisionError), torch_threads(2):
        assert torch.get_num_threads() == 2
        raise ZeroDivisionError
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_two_runs_at_once_spare_one_core_together():
    with a_core_spared():
        assert torch.get_num_threads() == 3
        with a_core_spared():
            assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 4


def test_a_single_core_computes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "_threads_at_the_start", lambda: 1)
    with torch_threads(torch.get_num_threads()), a_core_spared():
        assert torch.get_num_threads() == 1
