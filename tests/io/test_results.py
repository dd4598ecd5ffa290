import numpy as np
import pytest
import tifffile
import zarr

from napari_clipseg.errors import OutputError
from napari_clipseg.io.opening import open_image
from napari_clipseg.io.picture import Geo, Picture, PixelSize
from napari_clipseg.io.results import FORMATS, Result
from napari_clipseg.io.rows import CHUNK_ROWS, PROBABILITY_TYPES, Stored, WholeChunks

PROBABILITY = np.random.default_rng(0).random((605, 1301)).astype(np.float32)
LABELS = np.arange(PROBABILITY.size, dtype=np.int32).reshape(PROBABILITY.shape) // 7
SIZE = PixelSize(0.5, 0.25, "µm")


def result(kind="float32", geo=None):
    picture = Picture(PROBABILITY, SIZE, geo=geo)
    return Result(Stored(PROBABILITY, kind), LABELS, picture)


@pytest.mark.parametrize("kind", PROBABILITY_TYPES)
def test_zarr_holds_probability_labels_pyramid_and_scale(tmp_path, kind):
    [path] = FORMATS["zarr"].write(result(kind), tmp_path, "a.nuclei")
    expected = np.round(PROBABILITY * 255) if kind == "uint8" else PROBABILITY
    picture = open_image(path)
    np.testing.assert_array_equal(picture.data, expected.astype(kind))
    assert picture.pixel_size == SIZE
    np.testing.assert_array_equal(open_image(path / "labels" / "objects").data, LABELS)
    group = zarr.open_group(path, mode="r")
    shapes = [group[name].shape for name in sorted(group.array_keys())]
    assert shapes[:2] == [(605, 1301), (303, 651)]
    assert max(shapes[-1]) <= 512
    assert ("255" in str(group.attrs["napari-clipseg"])) == (kind == "uint8")


def test_levels_are_means_of_probability_and_nearest_of_labels(tmp_path):
    [path] = FORMATS["zarr"].write(result(), tmp_path, "a")
    coarse = open_image(path, level=1)
    mean = PROBABILITY[:604, :1300].reshape(302, 2, 650, 2).mean((1, 3))
    np.testing.assert_allclose(np.asarray(coarse.data)[:302, :650], mean, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(coarse.data)[302, 650], PROBABILITY[604, 1300])
    assert coarse.pixel_size == PixelSize(1.0, 0.5, "µm")
    labels = open_image(path / "labels" / "objects", level=1)
    np.testing.assert_array_equal(labels.data, LABELS[::2, ::2])


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_tiffs_hold_probability_labels_and_pixel_size(tmp_path, kind):
    probability, labels = FORMATS["tiff"].write(result(kind), tmp_path, "a")
    expected = np.round(PROBABILITY * 255) if kind == "uint8" else PROBABILITY
    np.testing.assert_array_equal(tifffile.imread(probability), expected.astype(kind))
    np.testing.assert_array_equal(tifffile.imread(labels), LABELS)
    assert open_image(probability).pixel_size == open_image(labels).pixel_size == SIZE
    assert ("value / 255" in tifffile.tiffcomment(probability)) == (kind == "uint8")


def test_large_tiffs_are_big_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_clipseg.io.tiff.CLASSIC_BYTES", 1000)
    probability, _ = FORMATS["tiff"].write(result(), tmp_path, "a")
    with tifffile.TiffFile(probability) as tif:
        assert tif.is_bigtiff
        assert tif.pages.first.is_tiled
    np.testing.assert_array_equal(open_image(probability).data, PROBABILITY)


@pytest.mark.parametrize("name", FORMATS)
def test_place_on_earth_is_kept(tmp_path, name):
    rasterio = pytest.importorskip("rasterio")
    geo = Geo(rasterio.crs.CRS.from_epsg(32632).to_wkt(), (10, 0, 5e5, 0, -10, 53e5))
    files = FORMATS[name].write(result("uint8", geo), tmp_path, "a")
    if name == "zarr":
        about = zarr.open_group(files[0], mode="r").attrs["napari-clipseg"]
        assert (about["crs"], tuple(about["affine"])) == (geo.crs, geo.affine)
        return
    for file, expected in zip(files, (np.round(PROBABILITY * 255), LABELS), strict=True):
        picture = open_image(file)
        np.testing.assert_array_equal(picture.data, expected)
        assert picture.geo.affine == geo.affine
        assert "UTM zone 32N" in picture.geo.crs
    with rasterio.open(files[0]) as dataset:
        assert dataset.scales == (1 / 255,)


@pytest.mark.parametrize("shape", [(150, 40), (2, 150, 40), (2, 10, 40)])
def test_rows_are_collected_so_that_each_chunk_is_written_once(tmp_path, shape, monkeypatch):
    expected = np.random.default_rng(0).random(shape).astype(np.float32)
    out, written = WholeChunks(tmp_path / "a", shape, "float32"), []
    write = WholeChunks._write
    monkeypatch.setattr(
        WholeChunks, "_write", lambda self, end: written.append(end) or write(self, end)
    )
    first = 0
    for count in (1, 5, 70, 3, 71):
        last = min(first + count, shape[-2])
        rows = slice(first, last)
        out[(slice(None), rows) if len(shape) == 3 else rows] = expected[..., rows, :]
        first = last
    np.testing.assert_array_equal(out.array[:], expected)
    assert written == [*range(CHUNK_ROWS, shape[-2], CHUNK_ROWS), shape[-2]]


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_is_one_clear_error(tmp_path, name, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zarr.Array.__setitem__", full)
    monkeypatch.setattr("tifffile.imwrite", full)
    from napari_clipseg.atomic import working_folder

    with (
        pytest.raises(OutputError, match="No space left on device"),
        working_folder(tmp_path / ".a.part") as part,
    ):
        FORMATS[name].write(result(), part, "a")
    assert not list(tmp_path.iterdir())
