"""Pictures so small that their pixels can be counted by hand."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def save(tmp_path):
    """Write an array as an image into the test's folder, by default a grey picture of 6 x 8."""

    def write(name, array=None):
        array = np.full((6, 8, 3), 90, np.uint8) if array is None else array
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(file)
        return file

    return write
