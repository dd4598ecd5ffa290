"""What the panel says of errors that the engine words for programmers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import ImageError
from napari_clipseg.widget.failures import translated


def test_infinite_pixels_are_told_with_a_line_for_the_console():
    image = np.ones((8, 8), np.float32)
    image[2, 3] = np.inf
    with pytest.raises(ImageError, match=r"infinite pixels.*numpy\.isfinite"), translated():
        Pixels(image, contrast="auto", nodata=np.nan).read((0, 0, 8, 8))
