import pytest

from napari_clipseg.io.identity import readable_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.0 MB"),
        (260_000, "0.3 MB"),
        (9_940_000, "9.9 MB"),
        (602_900_000, "603 MB"),
        (1_440_000_000, "1.4 GB"),
    ],
)
def test_a_size_has_the_unit_and_the_digits_that_people_read(size, text):
    assert readable_size(size) == text
