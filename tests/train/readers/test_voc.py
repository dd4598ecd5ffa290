import numpy as np
import pytest
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.voc import CLASSES, PASCAL_5I, read_voc

SHAPE = (6, 8)
BLOCK = np.zeros(SHAPE, bool)
BLOCK[1:4, 2:6] = True


@pytest.fixture
def voc(tmp_path, save):
    """A folder of one picture with a cat; the values of its classes are written anew by a test."""
    save("JPEGImages/x.jpg")
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("x\n")
    values = np.zeros(SHAPE, np.uint8)
    values[BLOCK], values[0] = 8, 255
    palette = Image.fromarray(values, "P")
    palette.putpalette(list(range(256)) * 3)
    (tmp_path / "SegmentationClass").mkdir()
    palette.save(tmp_path / "SegmentationClass" / "x.png")
    return tmp_path


def test_classes_absence_and_void_are_known(voc):
    data = read_voc(voc, "val")
    truth = data.pictures[0].read()
    assert list(truth.masks) == ["cat"]
    np.testing.assert_array_equal(truth.masks["cat"], BLOCK)
    assert len(truth.absent) == 19
    assert not truth.known[0].any()
    assert truth.known[1:].all()
    assert data.folds == PASCAL_5I


def test_values_may_be_those_of_a_grey_image(voc, save):
    save("SegmentationClass/x.png", np.where(BLOCK, 15, 0).astype(np.uint8))
    np.testing.assert_array_equal(read_voc(voc, "val").pictures[0].read().masks["person"], BLOCK)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((6, 8, 3), np.uint8), "x.png has the colour mode RGB"),
        (np.zeros((6, 8), np.uint16), "x.png has the colour mode I;16"),
        (np.full((6, 8), 21, np.uint8), "x.png has pixels of the value 21"),
        (np.zeros((6, 9), np.uint8), "x.jpg is 6 pixels high and 8 wide, but .*x.png is for 6 x 9"),
    ],
)
def test_a_file_that_cannot_be_the_classes_of_its_picture_is_refused(voc, save, values, message):
    save("SegmentationClass/x.png", values)
    picture = read_voc(voc, "val").pictures[0]
    with pytest.raises(ConfigError, match=message):
        picture.read()


def test_a_file_of_classes_that_is_damaged_or_not_there_is_named(voc):
    file = voc / "SegmentationClass" / "x.png"
    picture = read_voc(voc, "val").pictures[0]
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ConfigError, match=r"x.png cannot be read"):
        picture.read()
    file.unlink()
    with pytest.raises(ConfigError, match=r"there is no file .*x.png"):
        picture.read()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\n", "lists no picture"), (b"x 8\n", "'x 8'"), (b"\xff\xfe\n", "cannot be read")],
)
def test_what_is_no_list_of_names_is_refused(voc, content, message):
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_voc(voc, "val")


def test_the_folds_are_the_published_ones():
    assert PASCAL_5I[3] == ("pottedplant", "sheep", "sofa", "train", "tvmonitor")
    assert sorted(name for fold in PASCAL_5I for name in fold) == sorted(CLASSES)
