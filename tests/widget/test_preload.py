"""What a worker does before torch is there."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from napari_clipseg.widget.preload import collecting_no_garbage

LOADED_BEFORE_TORCH = """
import sys
from pathlib import Path
from napari_clipseg.widget.preload import load_torch_libraries

load_torch_libraries()
assert "torch" not in sys.modules
print("libtorch_cpu.so" in Path("/proc/self/maps").read_text())
import torch
print(torch.ones(3) @ torch.ones(3))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch loads its libraries itself")
def test_torch_works_with_the_libraries_that_were_loaded_before():
    command = [sys.executable, "-c", LOADED_BEFORE_TORCH]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split("\n")[:2] == ["True", "tensor(3.)"], done.stderr


def test_garbage_is_collected_again_after_an_error():
    with pytest.raises(ZeroDivisionError), collecting_no_garbage():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()


def test_what_was_made_meanwhile_is_old_and_still_collected():
    class Node:
        pass

    with collecting_no_garbage():
        node = Node()
        node.itself = node
        gone = weakref.ref(node)
    assert any(each is node for each in gc.get_objects(generation=2))
    del node
    gc.collect()
    assert gone() is None


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with collecting_no_garbage():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
