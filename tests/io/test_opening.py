import sys

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import ImageError, SettingError
from napari_clipseg.io.opening import open_image
from napari_clipseg.io.picture import Geo, PixelSize

GREY = np.random.default_rng(0).integers(0, 60000, (70, 90), dtype=np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 255, (70, 90, 3), dtype=np.uint8)
BOX = np.s_[13:50, 31:77]

TIFFS = {
    "one piece": (GREY, {}),
    "big-endian": (GREY, {"byteorder": ">"}),
    "strips": (GREY, {"compression": "zlib", "rowsperstrip": 16}),
    "tiles": (GREY, {"compression": "zlib", "tile": (32, 48)}),
    "BigTIFF": (GREY, {"bigtiff": True, "tile": (32, 32)}),
    "colour strips": (COLOUR, {"photometric": "rgb", "compression": "lzw", "rowsperstrip": 7}),
    "colour tiles": (COLOUR, {"photometric": "rgb", "tile": (32, 32)}),
}


@pytest.mark.parametrize("kind", TIFFS)
def test_boxes_of_a_tiff_are_those_of_the_whole(tmp_path, kind):
    array, settings = TIFFS[kind]
    tifffile.imwrite(tmp_path / "a.tif", array, **settings)
    data = open_image(tmp_path / "a.tif").data
    assert (data.shape, data.ndim, data.dtype) == (array.shape, array.ndim, array.dtype)
    rng = np.random.default_rng(0)
    for _ in range(20):
        (y0, y1), (x0, x1) = (np.sort(rng.choice(size, 2, replace=False)) for size in (70, 90))
        np.testing.assert_array_equal(data[y0:y1, x0:x1], array[y0:y1, x0:x1])
    np.testing.assert_array_equal(
        Pixels(data).read((5, 6, 70, 90)), Pixels(array).read((5, 6, 70, 90))
    )


def test_a_strip_is_decoded_once_for_all_boxes_beside_each_other(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib", rowsperstrip=10)
    data, rows = open_image(tmp_path / "a.tif").data, []
    read = type(data._view).__getitem__
    monkeypatch.setattr(
        type(data._view),
        "__getitem__",
        lambda view, box: rows.append((box[0].start, box[0].stop)) or read(view, box),
    )
    for y in range(0, 60, 15):
        for x in range(0, 90, 30):
            np.testing.assert_array_equal(
                data[y : y + 25, x : x + 30], GREY[y : y + 25, x : x + 30]
            )
    assert rows == [(0, 30), (30, 40), (40, 60), (60, 70)]


def test_levels_of_a_tiff_pyramid_have_larger_pixels(tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        writer.write(GREY, subifds=1, tile=(32, 32), metadata=metadata)
        writer.write(GREY[::2, ::2], subfiletype=1, tile=(32, 32))
    picture = open_image(tmp_path / "a.ome.tif", level=1)
    np.testing.assert_array_equal(picture.data, GREY[::2, ::2])
    assert picture.pixel_size == PixelSize(0.5, 1.0, "µm")
    with pytest.raises(ImageError, match="levels 0 to 1, not 2"):
        open_image(tmp_path / "a.ome.tif", level=2)


def test_nodata_of_a_tiff_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(42113, "s", 0, "-9999", True)])
    assert open_image(tmp_path / "a.tif").nodata == -9999


@pytest.mark.parametrize("kind", TIFFS)
def test_a_tiff_that_is_cut_short_is_one_clear_error(tmp_path, kind):
    array, settings = TIFFS[kind]
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, array, **settings)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size * 2 // 3)
    with pytest.raises(ImageError, match=r"a\.tif (is cut short|cannot be read)"):
        open_image(file)


def test_damaged_tiles_are_one_clear_error_when_they_are_read(tmp_path):
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, GREY, compression="zlib", tile=(32, 32))
    content = bytearray(file.read_bytes())
    content[2000:2100] = bytes(100)
    file.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.tif is damaged, rows 0 to 70"):
        np.asarray(open_image(file).data)


def ome(path, array, axes, version, **settings):
    """Write an OME-Zarr with two levels, µm and a scale of 0.5, 0.25."""
    scale = [1.0] * (len(axes) - 2) + [0.5, 0.25]
    image = {
        "axes": [
            {"name": axis, "type": "space", "unit": "micrometer"}
            if axis in "zyx"
            else {"name": axis, "type": "channel" if axis == "c" else "time"}
            for axis in axes
        ],
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [*scale[:-2], *(s * 2**level for s in scale[-2:])]}
                ],
            }
            for level in range(2)
        ],
    }
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    old = {"multiscales": [{"version": "0.4", **image}]}
    new = {"ome": {"version": "0.5", "multiscales": [image]}}
    group.attrs.update(old if version == "0.4" else new)
    for level in range(2):
        part = array[..., :: 2**level, :: 2**level]
        chunks = (*(1 for _ in axes[2:]), 32, 32)
        group.create_array(str(level), shape=part.shape, chunks=chunks, dtype=part.dtype)[:] = part
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_gives_planes_levels_and_pixel_size(tmp_path, version):
    stack = np.stack([np.stack([GREY, GREY[::-1]]), np.stack([GREY // 2, GREY // 3])])[None]
    path = ome(tmp_path / "a.zarr", stack, "tczyx", version)
    picture = open_image(path, plane=(0, 1, 0))
    np.testing.assert_array_equal(picture.data[BOX], stack[0, 1, 0][BOX])
    assert (picture.pixel_size, picture.axes) == (PixelSize(0.5, 0.25, "µm"), "TCZYX")
    coarse = open_image(path, plane=(0, 0, 1), level=1)
    np.testing.assert_array_equal(coarse.data, stack[0, 0, 1, ::2, ::2])
    assert coarse.pixel_size == PixelSize(1.0, 0.5, "µm")
    with pytest.raises(ImageError, match="levels 0 to 1"):
        open_image(path, plane=(0, 0, 0), level=2)
    with pytest.raises(ImageError, match="T=1 x C=2 x Z=2"):
        open_image(path, plane=(0,))


def test_channels_of_an_ome_zarr_without_an_index_are_the_last_axis(tmp_path):
    path = ome(tmp_path / "a.zarr", np.moveaxis(COLOUR, -1, 0), "cyx", "0.5")
    np.testing.assert_array_equal(open_image(path).data[BOX], COLOUR[BOX])
    np.testing.assert_array_equal(open_image(path, plane=(1,)).data[BOX], COLOUR[BOX][..., 1])


@pytest.mark.parametrize("array", [GREY, COLOUR, np.stack([GREY] * 5)])
def test_a_plain_zarr_array_is_an_image(tmp_path, array):
    zarr.create_array(tmp_path / "a.zarr", data=array)
    plane = (4,) if len(array) == 5 else ()
    np.testing.assert_array_equal(
        open_image(tmp_path / "a.zarr", plane).data[BOX], array[plane][BOX]
    )


def test_a_stack_of_one_plane_is_that_plane(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=GREY[None, None])
    for plane in ((), (0, 0)):
        np.testing.assert_array_equal(open_image(tmp_path / "a.zarr", plane).data, GREY)


def test_pages_that_are_nothing_in_particular_are_only_counted(tmp_path):
    with tifffile.TiffWriter(tmp_path / "plain.tif") as writer:
        for _ in range(5):
            writer.write(GREY, metadata=None)
    tifffile.imwrite(tmp_path / "shaped.tif", np.stack([GREY] * 5), photometric="minisblack")
    for name in ("plain.tif", "shaped.tif"):
        with pytest.raises(ImageError, match=r"a stack of 5 planes; choose one, e\.g\. plane 0$"):
            open_image(tmp_path / name)
        with pytest.raises(ImageError, match="a stack of 5 planes and has no plane 7; choose one"):
            open_image(tmp_path / name, (7,))


def frames(path, *arrays, **settings):
    first, *others = map(Image.fromarray, arrays)
    first.save(path, save_all=True, append_images=others, **settings)
    return path


def test_a_picture_of_inks_is_refused(tmp_path):
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="stored as CMYK; save it as grey or RGB first"):
        open_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("count", [1, 3])
def test_a_gif_whose_frames_are_alike_is_one_plane(tmp_path, count):
    black_white = np.where(COLOUR[..., :1] > 99, np.uint8(255), np.uint8(0)).repeat(3, -1)
    data = open_image(frames(tmp_path / "a.gif", *[black_white] * count)).data
    np.testing.assert_array_equal(data[BOX], black_white[BOX])


@pytest.mark.parametrize(
    ("name", "array"),
    [("a.png", COLOUR), ("a.png", COLOUR[..., 0]), ("a.webp", COLOUR)],
    ids=["colour", "grey", "webp"],
)
def test_a_frame_of_an_animation_is_chosen_by_its_index(tmp_path, name, array):
    path = frames(tmp_path / name, array, array[::-1].copy(), lossless=True)
    np.testing.assert_array_equal(open_image(path, (1,)).data[BOX], array[::-1][BOX])
    with pytest.raises(ImageError, match=r"stack of 2 planes; choose one, e\.g\. plane 0$"):
        open_image(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"no image", r"none of the known formats \(TIFF, .*as TIFF$")],
)
@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_file_that_is_no_image_is_one_sentence_on_why(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=f"{name} cannot be read as an image: .*{reason}"):
        open_image(tmp_path / name)


def test_a_zarr_group_without_an_image_says_what_it_holds(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_group("cells")
    with pytest.raises(ImageError, match="holds cells"):
        open_image(tmp_path / "a.zarr")


def test_a_folder_that_is_no_zarr_is_refused(tmp_path):
    with pytest.raises(ImageError, match="no zarr"):
        open_image(tmp_path)


@pytest.fixture
def geotiff(tmp_path):
    """A file of 4 bands in UTM with nodata and an overview."""
    rasterio = pytest.importorskip("rasterio")
    bands = np.random.default_rng(2).integers(1, 4000, (4, 70, 90), dtype=np.uint16)
    bands[:, :10, :10] = 0
    profile = {"driver": "GTiff", "height": 70, "width": 90, "count": 4, "dtype": "uint16"}
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 500000, 0, -10, 5300000)}
    file = tmp_path / "a.tif"
    with rasterio.open(file, "w", nodata=0, tiled=True, **profile, **place) as dataset:
        dataset.write(bands)
        dataset.build_overviews([2])
    return file, bands


def test_geotiff_gives_bands_place_and_nodata(geotiff):
    file, bands = geotiff
    picture = open_image(file)
    np.testing.assert_array_equal(picture.data[BOX], np.moveaxis(bands, 0, -1)[BOX])
    assert isinstance(picture.geo, Geo)
    assert "UTM zone 32N" in picture.geo.crs
    assert picture.geo.affine == (10, 0, 500000, 0, -10, 5300000)
    assert (picture.pixel_size, picture.nodata) == (PixelSize(10, 10, "m"), 0)
    coarse = open_image(file, level=1)
    assert coarse.data[0:5, 0:5].shape == (5, 5, 4)
    assert (coarse.shape, coarse.pixel_size) == ((35, 45), PixelSize(20, 20, "m"))


def test_geotiff_without_rasterio_says_how_to_get_it(geotiff, monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(SettingError, match=r"pip install napari-clipseg\[geo\]"):
        open_image(geotiff[0])
