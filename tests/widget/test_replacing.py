from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_clipseg.errors import OutOfMemory
from napari_clipseg.layers import empty
from napari_clipseg.widget.replacing import Replacement


def test_a_plane_that_memory_does_not_hold_is_refused_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(empty.psutil, "virtual_memory", lambda: SimpleNamespace(available=99))
    target = np.full((5, 5), 0.5, np.float32)
    with pytest.raises(OutOfMemory, match="remove layers"):
        Replacement([target], [None], [None], whole=True)
    assert (target == 0.5).all()
