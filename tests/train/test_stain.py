"""Photographs of tissue in other stains: the light changes, what is where does not."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_clipseg.train import augment
from napari_clipseg.train.config import AugmentConfig, DataConfig
from napari_clipseg.train.dataset import Concept, DataSet, Scene
from napari_clipseg.train.layout import Entry
from napari_clipseg.train.stain import EOSIN, HAEMATOXYLIN, fibres, restained, transmitted

NUCLEUS = Concept("nucleus", ("nuclei",), 1)


def tissue(side=96):
    """Purple discs on pale pink, RGB float32 in 0 to 255, and where the discs are."""
    rows, columns = np.mgrid[:side, :side] % 24 - 12
    nuclei = np.hypot(rows, columns) < 7
    amounts = np.stack([np.where(nuclei, 1.2, 0.1), np.full(nuclei.shape, 0.15)], axis=-1)
    light = transmitted(amounts, np.stack([HAEMATOXYLIN, EOSIN]))
    return (255 * light).astype(np.float32), nuclei


def test_light_falls_off_exponentially_with_the_amount_of_stain():
    once, twice = (transmitted(np.full((2, 2, 1), n), HAEMATOXYLIN[None]) for n in (1.0, 2.0))
    np.testing.assert_allclose(once**2, twice)
    np.testing.assert_allclose(once[0, 0], np.exp(-HAEMATOXYLIN))


@pytest.mark.parametrize("seed", range(30))
def test_nuclei_stay_darker_than_what_is_around_them(seed):
    rgb, nuclei = tissue()
    seen = restained(np.random.default_rng(seed), rgb)
    assert seen.shape == rgb.shape and seen.dtype == np.float32
    assert seen.min() >= 0 and seen.max() <= 255
    red = seen[..., 0]
    assert red[nuclei].mean() < red[~nuclei].mean() - 20


def test_every_square_is_stained_in_its_own_way():
    rgb, nuclei = tissue()
    colours = [restained(np.random.default_rng(seed), rgb)[nuclei].mean(0) for seed in range(20)]
    assert np.std(colours, axis=0).min() > 10


def test_black_and_white_can_be_stained():
    for value in (0.0, 255.0):
        seen = restained(np.random.default_rng(0), np.full((16, 16, 3), value, np.float32))
        assert np.isfinite(seen).all()


def test_fibres_are_drawn_out_along_one_direction():
    field = fibres(np.random.default_rng(4), 96)
    assert field.shape == (96, 96) and field.min() >= 0.1
    assert abs(field.mean() - 1) < 0.3
    fine = field - ndimage.gaussian_filter(field, 8)
    down, across = np.gradient(fine)
    moments = np.linalg.eigvalsh(np.cov(down.ravel(), across.ravel()))
    assert moments[1] > 2 * moments[0]


def test_only_stained_pictures_are_stained_anew_and_not_all_of_their_squares(monkeypatch):
    rgb, nuclei = tissue()
    image, bits = rgb.astype(np.uint8), nuclei.astype(np.uint8)
    counts, cutter = [], augment.Cutter(AugmentConfig(), 48)
    for stained in (False, True):
        seen = []
        monkeypatch.setattr(augment, "restained", lambda rng, rgb, seen=seen: seen.append(0) or rgb)
        scene = Scene(image, bits, (NUCLEUS,), "plain", stained=stained)
        for seed in range(40):
            cutter.cut(np.random.default_rng(seed), scene, NUCLEUS)
        counts.append(len(seen))
    assert counts[0] == 0 and 10 < counts[1] < 35


def test_a_configuration_names_the_sets_that_are_stained(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks" / "nucleus").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "masks" / "nucleus" / "a.png")
    (tmp_path / "train.txt").write_text("a.png")
    entry = Entry("s", {"nucleus": ("nuclei",)}, complete=True)
    for named in ((), ("s",)):
        config = DataConfig(weights={"s": 1}, stained=named)
        [scene] = DataSet(tmp_path, entry, "micro", config).scenes("train")
        assert scene.stained is bool(named)
