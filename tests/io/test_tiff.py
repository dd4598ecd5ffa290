import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_clipseg.errors import ImageError, OutputError
from napari_clipseg.io.opening import open_image
from napari_clipseg.io.picture import PixelSize
from napari_clipseg.io.tiff import write_tiff

GREY = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
COLOUR = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
STACK = np.arange(2 * 3 * 20 * 30, dtype=np.uint16).reshape(2, 3, 20, 30)


def same(size: PixelSize | None, y: float, x: float, unit: str) -> bool:
    return size is not None and size.unit == unit and np.allclose((size.y, size.x), (y, x), 1e-6)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.tif"


@pytest.mark.parametrize(
    ("given", "unit"), [("micron", "µm"), ("\\u00B5m", "µm"), ("um", "µm"), ("inch", "in")]
)
def test_pixel_size_of_an_imagej_file(file, given, unit):
    tifffile.imwrite(file, GREY, imagej=True, resolution=(4, 2), metadata={"unit": given})
    assert same(open_image(file).pixel_size, 0.5, 0.25, unit)


@pytest.mark.parametrize("unit", ["nm", "µm", "mm"])
def test_pixel_size_of_an_ome_file(file, unit):
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    units = {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(file, GREY, ome=True, metadata={"axes": "YX", **sizes, **units})
    assert same(open_image(file).pixel_size, 0.5, 0.25, unit)


@pytest.mark.parametrize(("tag", "unit"), [("INCH", "in"), ("CENTIMETER", "cm")])
def test_pixel_size_of_a_file_with_resolution_tags(file, tag, unit):
    tifffile.imwrite(file, GREY, resolution=(400, 200), resolutionunit=tag)
    assert same(open_image(file).pixel_size, 1 / 200, 1 / 400, unit)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"resolution": (1, 1), "resolutionunit": "INCH"},
        {"imagej": True},
        {"imagej": True, "resolution": (4, 2), "metadata": {"unit": "pixel"}},
        {"ome": True},
    ],
)
def test_file_without_a_length_has_no_pixel_size(file, settings):
    tifffile.imwrite(file, GREY, **settings)
    assert open_image(file).pixel_size is None


@pytest.mark.parametrize("size", [None, PixelSize(0.5, 0.25, "µm"), PixelSize(30.0, 30.0, "m")])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_written_file_reads_back_the_same(file, size, dtype):
    array = (GREY / 7).astype(dtype)
    write_tiff(file, array, size)
    picture = open_image(file)
    np.testing.assert_array_equal(picture.data, array)
    assert picture.data.dtype == dtype
    assert picture.pixel_size == size


def test_written_pixel_size_is_in_the_resolution_tags_too(file):
    write_tiff(file, GREY, PixelSize(0.5, 0.25, "µm"))
    with tifffile.TiffFile(file) as tif:
        page = tif.pages.first
        assert page.resolutionunit == tifffile.RESUNIT.CENTIMETER
        np.testing.assert_allclose(page.get_resolution(), (40000, 20000), rtol=1e-6)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("array", [GREY, COLOUR], ids=["grey", "colour"])
def test_reads_usual_compressions(file, array, compression):
    photometric = "rgb" if array is COLOUR else "minisblack"
    tifffile.imwrite(file, array, photometric=photometric, compression=compression)
    np.testing.assert_array_equal(open_image(file).data, array)


def test_planar_colour_comes_with_channels_last(file):
    planes = np.moveaxis(COLOUR, -1, 0)
    tifffile.imwrite(file, planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(open_image(file).data, COLOUR)


def test_plane_of_a_stack_is_chosen_by_its_indices(file):
    tifffile.imwrite(file, STACK, imagej=True, metadata={"axes": "ZCYX"})
    np.testing.assert_array_equal(open_image(file, (1, 2)).data, STACK[1, 2])


@pytest.mark.parametrize("plane", [(), (2, 0), (0, -1), (0, 0, 0)])
def test_wrong_plane_of_a_stack_is_refused_with_the_sizes(file, plane):
    tifffile.imwrite(file, STACK, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(ImageError, match=r"Z=2 x C=3 .* plane 0,0, or plane 0 of all channels"):
        open_image(file, plane)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("axes", "plane"), [("CYX", ()), ("YXC", ()), ("ZCYX", (1,)), ("CZYX", (1,)), ("TCZYX", (1, 0))]
)
def test_channels_without_an_index_are_the_last_axis(file, axes, plane, compression):
    sizes = {"C": 5, "Y": 20, "X": 30, "Z": 2, "T": 3}
    shape = [sizes[axis] for axis in axes]
    array = np.random.default_rng(0).integers(0, 9, shape, np.uint8)
    settings = {"photometric": "minisblack", "compression": compression}
    tifffile.imwrite(file, array, metadata={"axes": axes}, **settings)
    picture = open_image(file, plane)
    last = np.moveaxis(array, axes.index("C"), -1)[plane]
    assert picture.data.shape == (20, 30, 5)
    np.testing.assert_array_equal(picture.data[3:17, 5:29], last[3:17, 5:29])
    whole = [*plane]
    whole.insert(axes.replace("Y", "").replace("X", "").index("C"), 4)
    np.testing.assert_array_equal(open_image(file, whole).data, last[..., 4])


def test_a_plane_that_is_not_there_is_refused_for_all_its_channels_too(file):
    tifffile.imwrite(file, STACK, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(ImageError, match="a stack of Z=2 planes and has no plane 2"):
        open_image(file, (2,))


def test_a_single_channel_is_no_axis_of_a_plane(file):
    metadata = {"axes": "CYX"}
    tifffile.imwrite(file, GREY[None], photometric="minisblack", metadata=metadata)
    np.testing.assert_array_equal(open_image(file).data, GREY)


def test_plane_of_a_plane_is_refused(file):
    tifffile.imwrite(file, GREY)
    with pytest.raises(ImageError, match="single plane"):
        open_image(file, (0,))


@pytest.mark.parametrize("array", [GREY, GREY.astype(np.uint8), COLOUR])
def test_reads_png(tmp_path, array):
    imageio.imwrite(tmp_path / "a.png", array)
    picture = open_image(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.data, array)
    assert picture.pixel_size is None


def test_alpha_of_a_grey_png_is_left_out(tmp_path):
    grey = GREY.astype(np.uint8)
    imageio.imwrite(tmp_path / "a.png", np.stack([grey, 255 - grey], -1))
    np.testing.assert_array_equal(open_image(tmp_path / "a.png").data, grey)


def test_reads_jpeg(tmp_path):
    imageio.imwrite(tmp_path / "a.jpg", COLOUR)
    assert open_image(tmp_path / "a.jpg").data.shape == COLOUR.shape


def test_content_counts_not_the_name(tmp_path):
    imageio.imwrite(tmp_path / "a.tif", GREY, extension=".png")
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").data, GREY)


@pytest.mark.parametrize("content", [b"II*\0", b"II*\0\x08\0\0\0\xff\xff"])
def test_what_is_no_image_is_one_clear_error(file, content):
    file.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.tif cannot be read as an image"):
        open_image(file)


def test_truncated_file_is_one_clear_error(file):
    tifffile.imwrite(file, GREY, compression="zlib")
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(ImageError):
        open_image(file)


def test_missing_file_is_one_clear_error(file):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        open_image(file)


def test_writing_into_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_tiff(tmp_path / "missing" / "a.tif", GREY)


@pytest.mark.parametrize("kind", ["palette", "separated", "cielab"])
def test_colours_that_are_not_stored_as_they_are_shown_are_refused(file, kind):
    inks = np.dstack([COLOUR, COLOUR[..., :1]])
    pixels = {"palette": COLOUR[..., 0], "separated": inks, "cielab": COLOUR}[kind]
    table = np.zeros((3, 256), np.uint16) if kind == "palette" else None
    tifffile.imwrite(file, pixels, photometric=kind, colormap=table)
    with pytest.raises(ImageError, match=kind):
        open_image(file)


def test_a_file_in_which_0_is_white_is_refused(file):
    tifffile.imwrite(file, COLOUR[..., 0], photometric="miniswhite")
    with pytest.raises(ImageError, match="0 is white"):
        open_image(file)


@pytest.mark.parametrize(
    "settings", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"ome": True}]
)
def test_a_boolean_file_of_tifffile_reads_as_it_was_written(file, settings):
    mask = COLOUR[..., 0] > 99
    tifffile.imwrite(file, mask, **settings)
    data = np.asarray(open_image(file).data)
    assert data.dtype == bool
    np.testing.assert_array_equal(data, mask)


def test_a_scanned_page_in_which_0_is_white_is_refused(file):
    tifffile.imwrite(file, COLOUR[..., 0] > 99, software="a scanner")
    with pytest.raises(ImageError, match="0 is white"):
        open_image(file)


@pytest.mark.parametrize("ome", [False, True])
def test_a_file_of_several_images_of_which_none_is_the_main_one_is_refused(file, ome):
    with tifffile.TiffWriter(file, ome=ome) as writer:
        writer.write(GREY, metadata={"axes": "YX"})
        writer.write(np.zeros((40, 50), np.uint16), metadata={"axes": "YX"})
    with pytest.raises(ImageError, match=r"2 images \(20 x 30, 40 x 50\)"):
        open_image(file)


def test_a_thumbnail_behind_the_image_is_no_second_image(file):
    with tifffile.TiffWriter(file) as writer:
        writer.write(GREY)
        writer.write(GREY[::4, ::4])
    np.testing.assert_array_equal(np.asarray(open_image(file).data), GREY)


def test_height_and_width_of_a_pixel_may_have_different_units(file):
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 500}
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(file, GREY, ome=True, metadata={"axes": "YX", **sizes, **units})
    assert same(open_image(file).pixel_size, 0.5, 0.25, "µm")
