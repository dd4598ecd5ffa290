"""What a worker does beforehand, so that the viewer neither dies nor stands still later."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from napari.layers import Labels


def give_triton_its_own_llvm() -> None:
    """Load triton, where it is installed, so that it calls its own copy of LLVM.

    torchvision makes torch import triton, which contains LLVM. Mesa's drivers (software
    rendering, AMD) have loaded another version of LLVM by the time a viewer is on the screen;
    the dynamic linker would then let triton call that one, and the process would die.

    References
    ----------
    https://github.com/pytorch/pytorch/issues/96060
    """
    if "triton" in sys.modules or not hasattr(os, "RTLD_DEEPBIND"):
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        # without triton, as in torch for the CPU alone, there is nothing to keep apart
        with contextlib.suppress(ImportError):
            import_module("triton._C.libtriton")
    finally:
        sys.setdlopenflags(flags)


def load_torch_libraries() -> None:
    """Load torch's largest libraries, under Linux, while other threads go on.

    An import holds Python's lock while the linker works, 0.2 s for these; a foreign function
    does not. What cannot be loaded here, the import loads or complains of.
    """
    found = find_spec("torch") if sys.platform == "linux" else None
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent / "lib"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype = ctypes.c_void_p
    # torch makes the symbols of the first known to all; the others depend on it
    dlopen(bytes(folder / "libtorch_global_deps.so"), os.RTLD_NOW | os.RTLD_GLOBAL)
    for name in ("libtorch_cpu.so", "libtorch_cuda.so"):
        dlopen(bytes(folder / name), os.RTLD_NOW)


@contextlib.contextmanager
def collecting_no_garbage() -> Iterator[None]:
    """Take what is made meanwhile as here to stay; Python looks for unused cycles of it later.

    An import of many modules makes it look through all objects again and again, for 0.1 to 0.3 s
    in which no other thread runs.
    """
    if not gc.isenabled() or gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        # all objects join the oldest, which are looked through when a quarter more has come
        gc.freeze()
        gc.unfreeze()
        gc.enable()


@cache
def warm_label_colours() -> None:
    """Have napari compile what colours labels, which takes seconds, once in a process.

    numba compiles for each type of labels and of colormap when it is first met, which would
    be in the GUI thread. A tiny layer that is in no viewer meets them here.
    """
    with collecting_no_garbage():
        labels = Labels(np.zeros((2, 2), np.uint16))
        labels.colormap = {1: "red", None: "transparent"}
