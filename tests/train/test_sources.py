"""Scenes by number: in memory, or read from annotated pictures when they are asked for."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_clipseg import load_model
from napari_clipseg.train.config import AnnotatedConfig, ConfigError, DataConfig
from napari_clipseg.train.config_file import read_config
from napari_clipseg.train.generated.appearance import objects
from napari_clipseg.train.library import build_held_out, build_library
from napari_clipseg.train.loop import train
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.sources import Content, Pictures

PHRASECUT = Path(__file__).parents[2] / "examples" / "phrasecut.toml"
COLOURS = {"red door": (200, 30, 30), "green hill": (30, 180, 40), "dark lake": (10, 20, 60)}


@pytest.fixture
def photographs(tmp_path):
    """A data folder with PhraseCut's layout in it: each picture has a square of two colours."""
    root = tmp_path / "PhraseCut"
    (root / "images").mkdir(parents=True)
    for split, count in (("train", 6), ("miniv", 2)):
        tasks = []
        for index in range(count):
            image_id = 100 * len(split) + index
            pixels = np.full((40, 56, 3), 128, np.uint8)
            for place, phrase in enumerate(np.roll(list(COLOURS), index)[:2]):
                left = 4 + 26 * place
                pixels[8:30, left : left + 20] = COLOURS[phrase]
                corners = [[left, 8], [left + 19, 8], [left + 19, 29], [left, 29]]
                tasks.append({"image_id": image_id, "phrase": str(phrase), "Polygons": [[corners]]})
            Image.fromarray(pixels).save(root / "images" / f"{image_id}.jpg")
        (root / f"refer_{split}.json").write_text(json.dumps(tasks))
    return tmp_path


def data(**settings):
    each = AnnotatedConfig("phrasecut", "PhraseCut", val="miniv")
    return DataConfig(annotated={"photos": dataclasses.replace(each, **settings)})


def test_pictures_in_memory_say_what_each_shows():
    scene = objects(np.random.default_rng(0))
    content = Content.of(scene)
    for concept, shown in zip(scene.concepts, content.shown, strict=True):
        assert shown == scene.mask(concept).any()
    assert len(content.seen) == sum(content.shown) > 0


def test_a_changed_pixel_or_mask_changes_the_digest():
    scene = objects(np.random.default_rng(0))
    image, bits = scene.image.copy(), scene.bits.copy()
    image[0, 0, 0] ^= 1
    bits[0, 0] ^= 1
    others = [dataclasses.replace(scene, image=image), dataclasses.replace(scene, bits=bits)]
    assert len({Pictures([each]).digest() for each in (scene, scene, *others)}) == 3


def test_annotated_pictures_are_read_anew_each_time_and_not_before(photographs):
    source = build_library(data(), photographs, 0).sources["photos"]
    assert len(source) == 6 and len(source.contents) == 6
    first, again = source[2], source[2]
    assert first.image is not again.image
    np.testing.assert_array_equal(first.bits, again.bits)
    for concept in source.contents[2].seen:
        shown = first.image[first.mask(concept)].mean(0)
        assert np.abs(shown - COLOURS[concept.name]).max() < 12
    assert first.realm == "photo"


def test_other_files_or_annotations_change_the_digest(photographs):
    def digest():
        return build_library(data(), photographs, 0).sources["photos"].digest()

    before = digest()
    assert digest() == before
    file = photographs / "PhraseCut" / "refer_train.json"
    file.write_text(file.read_text().replace("red door", "old door"))
    renamed = digest()
    Image.new("RGB", (56, 40)).save(photographs / "PhraseCut" / "images" / "500.jpg")
    assert len({before, renamed, digest()}) == 3


def test_a_picture_of_which_nothing_is_known_becomes_no_scene(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    truth = Truth({}, np.ones((4, 4), bool))
    found = AnnotatedSet("a", {}, (Annotated(tmp_path / "a.png", lambda: truth),))
    assert len(found.scenes("photo")) == 0


def test_validation_pictures_are_those_of_the_named_split(photographs):
    assert len(build_held_out(data(), photographs)["photos"]) == 2
    assert build_held_out(data(val=""), photographs) == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"format": "excel"}, "photos.format is 'excel', which is unknown; there are folder, coco"),
        ({"folder": "Nowhere"}, "refer_train.json"),
        ({"train": "test"}, "refer_test.json"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(photographs, settings, words):
    with pytest.raises(ConfigError, match=words):
        build_library(data(**settings), photographs, 0)


def test_the_papers_training_runs_on_phrasecut(photographs, tiny_config, tmp_path):
    paper = read_config(PHRASECUT)
    assert (paper.model.reduce_dim, paper.model.extract_layers) == (64, (3, 6, 9))
    tiny = dataclasses.replace(
        paper,
        model=tiny_config,
        clip="",
        precision="float32",
        optim=dataclasses.replace(paper.optim, steps=4),
        sampling=dataclasses.replace(paper.sampling, batch=4, supports=4),
    )
    result = train(tiny, tmp_path / "run", data=photographs)
    assert {score.concept for score in result.validation.scores} == set(COLOURS)
    model = load_model(result.weights)
    assert set(model.learned.phrases) == set(COLOURS)
    again = load_model(train(tiny, tmp_path / "again", data=photographs).weights)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
