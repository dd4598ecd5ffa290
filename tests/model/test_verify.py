from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from napari_clipseg.errors import ImageError, WeightsNotFound
from napari_clipseg.model import verify as verify_module
from napari_clipseg.model.catalog import MODELS
from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.model.verify import (
    ANCHORS,
    Anchors,
    PictureAnchor,
    TextAnchor,
    verify,
)


@pytest.fixture
def model(tiny_model):
    return tiny_model()


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_model(model, path, {})
    return path


@pytest.fixture
def picture(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    image.fromarray(pixels).save(path)
    return path


def values(tensor: torch.Tensor) -> tuple[float, ...]:
    return tuple(tensor.tolist())


@pytest.fixture
def anchors(model, picture, monkeypatch) -> Anchors:
    """Publish what the tiny model gives, under a name of its own."""
    pixels = model.normalise(verify_module._read_picture(picture))
    logits = model.logits(pixels, model.text_vectors(["a cat"]))[0, 0]
    anchors = Anchors(
        (TextAnchor("nuclei", values(model.text_vectors(["nuclei"])[0, :3])),),
        PictureAnchor(
            values(model.image_vectors(pixels)[0, :3]), "a cat", (values(logits[0, :3]),)
        ),
    )
    monkeypatch.setitem(ANCHORS, "tiny", anchors)
    return anchors


def failed(report) -> list[str]:
    return [check.name for check in report.checks if check.passed is False]


def test_intact_weights_pass_and_their_hash_is_told(path):
    report = verify(path)
    assert report.ok
    assert report.path == path
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report.checks[0].passed is None  # nothing to compare the hash with


def test_published_values_are_compared(path, anchors, picture):
    report = verify(path, name="tiny", picture=picture)
    assert report.ok
    assert [check.name for check in report.checks[2:]] == [
        "vector of 'nuclei'",
        "vector of the picture",
        "row 0 of logits for 'a cat'",
    ]


def test_without_the_picture_its_values_are_left_open(path, anchors):
    report = verify(path, name="tiny")
    assert report.ok
    assert report.checks[-1].passed is None
    assert "COCO" in report.checks[-1].detail


def test_another_model_under_the_same_name_fails(tiny_model, anchors, picture, tmp_path):
    other = tiny_model()
    save_model(other, tmp_path / "other.safetensors", {})
    report = verify(tmp_path / "other.safetensors", name="tiny", picture=picture)
    assert not report.ok
    assert failed(report) == [check.name for check in report.checks[2:]]


def test_a_wrong_hash_fails(path, monkeypatch):
    monkeypatch.setitem(MODELS, "starter", dataclasses.replace(MODELS["starter"], sha256="0" * 64))
    assert failed(verify(path, name="starter")) == ["SHA-256"]


def test_damaged_files_fail_and_say_why(path):
    path.write_bytes(path.read_bytes()[:-10])
    report = verify(path)
    assert failed(report) == ["tensors"]
    assert "fetch or copy it again" in report.checks[-1].detail


def test_values_that_are_no_numbers_fail(model, path):
    model.decoder.film_mul.bias[0] = torch.nan
    save_model(model, path, {})
    report = verify(path)
    assert failed(report) == ["tensors"]
    assert "not finite: decoder.film_mul.bias" in report.checks[-1].detail


def test_a_file_of_the_hub_has_to_be_what_the_cache_calls_it(path, tmp_path):
    blob = tmp_path / hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(blob)
    path.symlink_to(blob)
    assert verify(path).checks[0].passed
    path.unlink()
    blob.rename(tmp_path / ("0" * 64))
    path.symlink_to(tmp_path / ("0" * 64))
    assert failed(verify(path)) == ["SHA-256"]


def test_missing_weights_and_pictures_are_errors(path, tmp_path):
    with pytest.raises(WeightsNotFound):
        verify(tmp_path / "gone.safetensors")
    with pytest.raises(ImageError, match="cannot be read"):
        verify(path, picture=tmp_path / "gone.png")


@pytest.mark.parametrize("name", ANCHORS)
def test_published_values_belong_to_models_of_the_catalog(name):
    assert name in MODELS
    assert all(len(anchor.vector) == 3 for anchor in ANCHORS[name].texts)
