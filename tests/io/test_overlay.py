import imageio.v3 as imageio
import numpy as np

from napari_clipseg.io.overlay import overlay, write_png

LABELS = np.zeros((12, 16), np.int32)
LABELS[3:9, 4:11] = 1


def test_image_stays_as_it_is_outside_the_objects():
    image = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    drawn = overlay(image, LABELS)
    np.testing.assert_array_equal(drawn[LABELS == 0], image[LABELS == 0])
    assert (drawn[LABELS > 0] != image[LABELS > 0]).any(-1).all()


def test_outline_is_stronger_than_the_inside():
    drawn = overlay(np.zeros((12, 16), np.float32), LABELS).astype(int).sum(-1)
    assert drawn[3, 4] > drawn[5, 6] > drawn[0, 0] == 0


def test_empty_labels_draw_nothing():
    image = np.full((12, 16, 3), 90, np.uint8)
    np.testing.assert_array_equal(overlay(image, np.zeros_like(LABELS)), image)


def test_png_is_written_whole(tmp_path):
    drawn = overlay(np.zeros((12, 16)), LABELS)
    write_png(tmp_path / "a.png", drawn)
    np.testing.assert_array_equal(imageio.imread(tmp_path / "a.png"), drawn)
