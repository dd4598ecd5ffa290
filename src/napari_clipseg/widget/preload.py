"""What a worker does beforehand, so that the viewer neither dies nor stands still later."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache
from importlib import import_module

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


@cache
def warm_label_colours() -> None:
    """Have napari compile what colours labels, which takes seconds, once in a process.

    numba compiles for each type of labels and of colormap when it is first met, which would
    be in the GUI thread. A tiny layer that is in no viewer meets them here.
    """
    labels = Labels(np.zeros((2, 2), np.uint16))
    labels.colormap = {1: "red", None: "transparent"}
