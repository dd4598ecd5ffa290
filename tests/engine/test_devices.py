import numpy as np
import pytest
import torch

from napari_clipseg.engine.devices import (
    choose_device,
    choose_precision,
    halving,
    is_out_of_memory,
    translated_errors,
)
from napari_clipseg.errors import EngineError, OutOfMemory, SettingError, UnknownName


def test_auto_is_a_device_of_this_machine():
    assert choose_device("auto").type in ("cpu", "cuda", "mps")


def test_unknown_devices_and_precisions_name_those_there_are():
    with pytest.raises(UnknownName, match="cuda"):
        choose_device("gpu")
    with pytest.raises(UnknownName, match="bfloat16"):
        choose_precision("float8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a cuda device")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(SettingError, match="no cuda device"):
        choose_device("cuda:0")


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_out_of_memory_halves_the_batch_and_goes_on(limit):
    def compute(batch):
        if len(batch) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch * 2

    batch = torch.arange(7)
    assert halving(compute, batch).tolist() == (batch * 2).tolist()


def test_a_single_tile_that_does_not_fit_is_an_error_that_is_no_runtime_error():
    def compute(batch):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(OutOfMemory, match="smaller tile") as caught, translated_errors():
        halving(compute, torch.zeros(5))
    assert not isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, MemoryError)


def test_other_errors_of_torch_are_translated_once():
    with pytest.raises(EngineError, match="shapes") as caught, translated_errors():
        raise RuntimeError("shapes do not fit")
    assert not isinstance(caught.value, RuntimeError)
    with pytest.raises(SettingError), translated_errors():
        raise SettingError("ours")


def test_numpy_out_of_memory_counts():
    with pytest.raises(MemoryError) as caught:
        np.empty((1 << 45, 1 << 10))
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(ValueError("out of memory"))
