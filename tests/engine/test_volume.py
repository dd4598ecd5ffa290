import re
import tracemalloc
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_clipseg.engine.consistency import RunningMean
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.engine.volume import VolumeSettings, segment_volume, volume_contrast
from napari_clipseg.errors import ImageError, PromptError, SettingError, UnknownName

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (5, 40, 50)).astype(np.uint16)


def segmented(segmenter, image, prompts="nuclei", **settings):
    several = () if isinstance(prompts, str) else (len(prompts),)
    out = np.full((*several, *image.shape[:3]), -1, np.float32)
    for _ in segment_volume(segmenter, image, prompts, out, VolumeSettings(**settings)):
        pass
    return out


def logits(probability):
    return np.log(probability / (1 - probability))


def rms(values):
    return np.sqrt(np.mean(values**2))


@pytest.mark.parametrize("prompts", ["nuclei", ["nuclei", "background"]])
def test_without_smoothing_each_plane_is_as_if_alone(segmenter, volume, prompts):
    result = segmented(segmenter, volume, prompts)
    contrast = volume_contrast(volume)
    for z, plane in enumerate(volume):
        expected = segmenter.probability(plane, prompts, contrast=contrast)
        assert (result[..., z, :, :] == expected).all()


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_the_axis_of_the_planes_is_only_a_matter_of_transposition(segmenter, volume, axis, smooth):
    turned = np.moveaxis(volume, 0, axis)
    result = segmented(segmenter, turned, axis=axis, smooth=smooth)
    expected = segmented(segmenter, volume, smooth=smooth)
    assert (np.moveaxis(result, axis, 0) == expected).all()


def test_a_time_series_with_colours_is_a_stack(segmenter):
    movie = np.random.default_rng(0).integers(0, 255, (3, 40, 50, 3)).astype(np.uint8)
    result = segmented(segmenter, movie)
    assert (result[1] == segmenter.probability(movie[1], "nuclei")).all()


def test_chosen_channels_of_a_stack_are_used(segmenter):
    stack = np.random.default_rng(0).random((2, 40, 50, 5))
    result = segmented(segmenter, stack, channels=(3,), contrast=(0, 1))
    expected = segmenter.probability(stack[1], "nuclei", channels=(3,), contrast=(0, 1))
    assert (result[1] == expected).all()


def test_one_contrast_window_serves_all_planes(volume):
    volume[4] //= 10
    low, high = volume_contrast(volume)
    assert low < 30
    assert high > 3900
    assert volume_contrast(volume, VolumeSettings(contrast=(1, 2))) == (1, 2)


def test_smoothing_averages_logits_along_the_axis(segmenter, volume):
    apart = logits(segmented(segmenter, volume))
    together = logits(segmented(segmenter, volume, smooth=0.6))
    weights = np.exp(-0.5 * (np.arange(-2, 3) / 0.6) ** 2)
    middle = np.tensordot(weights / weights.sum(), apart, 1)
    np.testing.assert_allclose(together[2], middle, atol=1e-4)
    first = np.tensordot(weights[2:] / weights[2:].sum(), apart[:3], 1)
    np.testing.assert_allclose(together[0], first, atol=1e-4)


def test_smoothing_in_physical_units_follows_the_spacing(segmenter, volume):
    in_planes = segmented(segmenter, volume, smooth=1.0)
    in_microns = segmented(segmenter, volume, smooth=0.3, spacing=(0.3, 0.1, 0.1))
    assert (in_planes == in_microns).all()


def test_what_is_constant_along_the_axis_stays_so(segmenter, volume):
    same = np.repeat(volume[:1], 7, 0)
    result = segmented(segmenter, same, smooth=1.5)
    np.testing.assert_allclose(result, np.broadcast_to(result[:1], result.shape), atol=1e-6)
    np.testing.assert_allclose(result, segmented(segmenter, same), atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 20])
def test_a_running_mean_writes_every_plane_once_and_in_order(depth):
    written = []
    mean = RunningMean(depth, 1.0, lambda plane, values: written.append(plane))
    ends = [mean.take(index, np.zeros((1, 2, 2), np.float32)) for index in range(depth)]
    assert written == list(range(depth))
    assert ends == [*(max(index + 1 - 3, 0) for index in range(depth - 1)), depth]


def test_planes_are_written_once_and_reported_when_final(segmenter, volume):
    out = np.full(volume.shape, -1, np.float32)
    end = 0
    settings = VolumeSettings(smooth=0.5)
    for index, done in enumerate(segment_volume(segmenter, volume, "a", out, settings), 1):
        assert (done.index, done.planes[0]) == (index, end)
        end = done.planes[1]
        assert (out[:end] >= 0).all()
        assert (out[end:] == -1).all()
    assert done.index == done.total
    assert end == len(volume)


def test_stopping_keeps_the_planes_that_are_final(segmenter, volume):
    out = np.full(volume.shape, -1, np.float32)
    run = segment_volume(segmenter, volume, "nuclei", out)
    next(done for done in run if done.planes[1] == 2)
    run.close()
    assert (out[:2] >= 0).all()
    assert (out[2:] == -1).all()


class Discarded:
    """An array that forgets what is written."""

    def __init__(self, shape):
        self.shape = shape

    def __setitem__(self, key, values):
        pass


@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_memory_does_not_grow_with_the_number_of_planes(tiny_model, smooth):
    segmenter = Segmenter(tiny_model, device="cpu", overlap=0)
    peaks = []
    for depth in (10, 30):
        image = np.broadcast_to(np.zeros((1, 96, 96), np.uint8), (depth, 96, 96))
        settings = VolumeSettings(smooth=smooth, contrast=(0, 1))
        tracemalloc.start()
        for _ in segment_volume(segmenter, image, "a", Discarded(image.shape), settings):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    held_if_all_were = 20 * 96 * 96 * 4
    assert peaks[1] - peaks[0] < held_if_all_were / 4


def test_lazy_volumes_are_read_plane_by_plane(segmenter, volume, tmp_path):
    expected = segmented(segmenter, volume)
    stored = zarr.create_array(tmp_path / "volume", data=volume, chunks=(1, 40, 50))
    assert (segmented(segmenter, stored) == expected).all()
    read = []

    def plane(block, block_info=None):
        read.append(block_info[0]["array-location"][0])
        return block

    lazy = da.from_array(volume, chunks=(1, 40, 50)).map_blocks(plane, dtype=volume.dtype)
    out = zarr.create_array(tmp_path / "out", shape=volume.shape, chunks=(1, 40, 50), dtype="f4")
    settings = VolumeSettings(contrast=volume_contrast(volume))
    read.clear()
    for done in segment_volume(segmenter, lazy, "nuclei", out, settings):
        assert {z for z, _ in read} <= set(range(done.planes[1] + 1))
    assert (out[:] == expected).all()


def test_orthogonal_views_average_the_logits_of_three_directions(segmenter):
    cube = np.random.default_rng(1).integers(0, 255, (35, 36, 37)).astype(np.uint8)
    settings = {"contrast": (0, 255)}
    apart = [logits(segmented(segmenter, cube, axis=axis, **settings)) for axis in range(3)]
    result = logits(segmented(segmenter, cube, views="orthogonal", **settings))
    np.testing.assert_allclose(result, np.mean(apart, 0), atol=1e-4)
    assert np.abs(result - apart[0]).max() > 0.01


def test_orthogonal_views_do_not_depend_on_the_axis_but_for_rounding(segmenter):
    cube = np.random.default_rng(1).integers(0, 255, (20, 34, 22)).astype(np.uint8)
    settings = {"contrast": (0, 255), "views": "orthogonal"}
    results = [segmented(segmenter, cube, ["a", "b"], axis=axis, **settings) for axis in range(3)]
    np.testing.assert_allclose(results[1], results[0], atol=1e-5)
    np.testing.assert_allclose(results[2], results[0], atol=1e-5)


def test_planes_that_hold_the_coarse_axis_are_seen_with_square_pixels(segmenter):
    fine = np.linspace(0, 1, 40)[:, None, None] * np.linspace(0.2, 1, 40) * np.ones((40, 3, 1))
    settings = {"axis": 1, "contrast": (0, 1)}
    isotropic = logits(segmented(segmenter, fine, **settings))
    expected = isotropic.reshape(10, 4, 3, 40).mean(1)
    coarse = fine.reshape(10, 4, 3, 40).mean(1)
    result = segmented(segmenter, coarse, spacing=(4, 1, 1), **settings)
    blind = segmented(segmenter, coarse, **settings)
    assert result.shape == coarse.shape
    assert rms(logits(result) - expected) < 0.4 * rms(logits(blind) - expected)


def test_anisotropy_beyond_what_can_be_resampled_is_refused(segmenter, volume):
    spacing = (6, 1, 1)
    assert segmented(segmenter, volume, spacing=spacing).min() >= 0
    with pytest.raises(SettingError, match="coarse axis"):
        segmented(segmenter, volume, spacing=spacing, views="orthogonal")
    with pytest.raises(SettingError, match=r"6 x 1.*at most 5"):
        segmented(segmenter, volume, spacing=spacing, axis=1)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"axis": 3}, SettingError, "0, 1 or 2"),
        ({"views": "oblique"}, UnknownName, "orthogonal"),
        ({"smooth": -1}, SettingError, "smooth"),
        ({"smooth": np.nan}, SettingError, "smooth"),
        ({"spacing": (1, 0, 1)}, SettingError, "spacing"),
        ({"spacing": (1, 1)}, SettingError, "three"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, error, words):
    with pytest.raises(error, match=words):
        VolumeSettings(**settings)


def test_what_is_no_volume_is_refused(segmenter, volume):
    with pytest.raises(ImageError, match=r"\(Z, Y, X\)"):
        next(segment_volume(segmenter, volume[0], "a", volume[0]))
    with pytest.raises(SettingError, match="shape"):
        next(segment_volume(segmenter, volume, ["a"], np.zeros(volume.shape, np.float32)))
    with pytest.raises(PromptError, match="empty"):
        next(segment_volume(segmenter, volume, "", np.zeros(volume.shape, np.float32)))


def test_the_examples_of_the_guide_run(tiny_weights, monkeypatch, tmp_path):
    text = (REPOSITORY / "docs" / "stacks.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(examples) >= 3
    monkeypatch.chdir(tmp_path)
    names = {
        "stack": np.random.default_rng(0).integers(0, 255, (4, 40, 40)).astype(np.uint8),
        "model": tiny_weights,
    }
    for example in examples:
        exec(example, names)
