"""Makes it safe to import torch into a process that already draws with OpenGL."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module


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
