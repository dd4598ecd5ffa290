import dataclasses

import numpy as np
import pytest

from napari_clipseg.engine.templates import TEMPLATES
from napari_clipseg.train.augment import Cutter
from napari_clipseg.train.config import AugmentConfig, ConfigError, DataConfig, SamplingConfig
from napari_clipseg.train.dataset import Concept, Scene
from napari_clipseg.train.library import build_library
from napari_clipseg.train.sampling import Library, Sampler
from napari_clipseg.train.sources import Pictures
from napari_clipseg.train.vocabulary import Vocabulary

CONFIG = SamplingConfig(
    batch=6,
    prompts=4,
    supports=3,
    absent=0.3,
    templates="plain",
    mix=0.4,
    text_share=(0.0, 1.0),
    own_support=0.25,
    one_object=0.5,
)


def sampler(library, config=CONFIG, seed=0, absent=()):
    templates = TEMPLATES[config.templates]
    vocabulary = Vocabulary(library.contents, {"micro": list(absent)}, templates)
    rng = np.random.default_rng(9)
    vocabulary.embed(rng.standard_normal((len(vocabulary.sentences), 16)).astype(np.float32))
    return Sampler(library, vocabulary, config, Cutter(AugmentConfig(), 32), seed=seed)


@pytest.fixture(scope="module")
def generated():
    names = {"objects": 1, "fluorescence": 1, "aerial": 1}
    return build_library(DataConfig({}, synthetic=names, pool=30), None, seed=2)


def fields(batch):
    return {each.name: getattr(batch, each.name) for each in dataclasses.fields(batch)}


def test_a_batch_is_a_function_of_seed_and_step(generated):
    first, second = sampler(generated), sampler(generated)
    second.batch(11)
    for step in (3, 4):
        for name, value in fields(first.batch(step)).items():
            assert (value == fields(second.batch(step))[name]).all(), name


def test_other_seeds_and_steps_give_other_batches(generated):
    here = sampler(generated)
    assert (here.batch(0).images != here.batch(1).images).any()
    assert (here.batch(0).images != sampler(generated, seed=1).batch(0).images).any()


def test_arrays_have_the_shapes_that_the_loop_expects(generated):
    batch = sampler(generated).batch(0)
    assert batch.images.shape == (6, 32, 32, 3)
    assert batch.masks.shape == (6, 4, 32, 32) and batch.masks.dtype == bool
    assert batch.valid.shape == (6, 32, 32)
    assert batch.vectors.shape == (6, 4, 16) and batch.vectors.dtype == np.float32
    count = len(batch.places)
    assert batch.supports.shape == (count, 32, 32, 3)
    assert batch.meanings.shape == (count, 16) and batch.mix.shape == (count,)


def test_absent_prompts_have_the_stated_rate_and_empty_masks(generated):
    batches = [sampler(generated).batch(step) for step in range(40)]
    absent = np.concatenate([batch.absent.ravel() for batch in batches])
    assert abs(absent.mean() - CONFIG.absent) < 0.05
    assert not any(batch.masks[batch.absent].any() for batch in batches)


def test_present_prompts_mostly_show_something(generated):
    batches = [sampler(generated).batch(step) for step in range(20)]
    shown = [batch.masks[~batch.absent].any((-2, -1)).mean() for batch in batches]
    assert np.mean(shown) > 0.6


def test_a_prompt_image_stands_for_the_meaning_of_its_prompt(generated):
    batch = sampler(generated).batch(5)
    image, prompt = batch.places.T
    assert len(set(image.tolist())) == len(image)
    assert np.allclose(batch.vectors[image, prompt], batch.meanings)
    assert (batch.supports >= 0).all() and (batch.supports <= 1).all()


def test_some_prompt_images_are_mixed_with_their_text(generated):
    mix = np.concatenate([sampler(generated).batch(step).mix for step in range(30)])
    assert 0.2 < (mix > 0).mean() < 0.6
    assert mix.max() < 1


def test_text_noise_moves_vectors_by_its_length(generated):
    noisy = sampler(generated, dataclasses.replace(CONFIG, text_noise=0.2)).batch(0).vectors
    clean = sampler(generated).batch(0).vectors
    moved = np.linalg.norm(noisy - clean, axis=-1) / np.linalg.norm(clean, axis=-1)
    assert 0.05 < moved.mean() < 0.4


def scene_of(name, realm):
    image = np.full((40, 40, 3), 90, np.uint8)
    return Scene(image, np.ones((40, 40), np.uint8), (Concept(name, (name,), 1),), realm)


def test_absent_words_come_from_other_realms_and_mean_something_else():
    scenes = [scene_of("nuclei", "micro"), scene_of("roads", "outdoor"), scene_of("car", "outdoor")]
    vocabulary = Vocabulary(Pictures(scenes).contents, {"micro": ["nucleus"]})
    near, far = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    known = {"nuclei": near, "nucleus": near, "roads": far, "car": near}
    vectors = [known[phrase] for phrase in vocabulary.phrases]
    vocabulary.embed(np.array(vectors, np.float32))
    shown = [vocabulary.row("nuclei")]
    rng = np.random.default_rng(0)
    drawn = {
        vocabulary.phrases[vocabulary.alien(rng, "micro", shown, limit=0.5)] for _ in range(30)
    }
    assert drawn == {"roads"}


def test_data_sets_tiles_and_generators_share_one_library(data_folder):
    config = DataConfig({"cells": 2}, {"stones": 1}, {"vessels": 1}, pool=4)
    library = build_library(config, data_folder, seed=0)
    assert {name: len(found) for name, found in library.sources.items()} == {
        "cells": 2,
        "stones": 2,
        "vessels": 2,
    }
    batch = sampler(library, absent=["giraffe"]).batch(0)
    assert batch.images.shape[0] == 6


def test_unknown_generators_and_missing_folders_are_refused():
    with pytest.raises(ConfigError, match=r"unicorns is no generator; there are objects"):
        build_library(DataConfig({}, synthetic={"unicorns": 1}), None, 0)
    with pytest.raises(ConfigError, match="no data folder was given"):
        build_library(DataConfig({"cells": 1}), None, 0)


def test_the_sentence_around_a_phrase_is_drawn_for_each_prompt(generated):
    draws = sampler(generated, dataclasses.replace(CONFIG, templates="nine sentences"))
    table = draws.vocabulary.vectors
    assert table.shape == (9, len(draws.vocabulary.phrases), 16)
    sentences = [
        int(np.flatnonzero((table == vector).all(-1).any(1))[0])
        for step in range(20)
        for vector in draws.batch(step).vectors.reshape(-1, 16)
    ]
    assert np.bincount(sentences, minlength=9).min() > 20


def test_a_prompt_image_keeps_the_sentence_of_its_prompt(generated):
    batch = sampler(generated, dataclasses.replace(CONFIG, templates="nine sentences")).batch(5)
    np.testing.assert_array_equal(batch.vectors[tuple(batch.places.T)], batch.meanings)


def test_the_share_of_the_text_in_a_mix_is_drawn_from_the_range(generated):
    config = dataclasses.replace(CONFIG, mix=1.0, text_share=(0.2, 0.3))
    mix = np.concatenate([sampler(generated, config).batch(step).mix for step in range(10)])
    assert mix.min() >= 0.2 and mix.max() <= 0.3 and np.ptp(mix) > 0.05


def test_what_one_picture_alone_shows_is_not_asked_for_by_that_picture():
    scenes = [scene_of("lonely", "photo"), scene_of("common", "photo"), scene_of("common", "photo")]
    library = Library({"photos": Pictures(scenes)}, {"photos": 1.0})
    config = dataclasses.replace(CONFIG, prompts=1, absent=0.0, supports=6)
    for own, expected in ((0.0, False), (0.25, True)):
        draws = sampler(library, dataclasses.replace(config, own_support=own))
        lonely = draws.vocabulary.vectors[0, draws.vocabulary.row("lonely")]
        asked = [
            (meaning == lonely).all()
            for step in range(10)
            for meaning in draws.batch(step).meanings
        ]
        assert any(asked) is expected and asked


def test_photographs_are_asked_in_vain_for_what_other_photographs_show():
    scenes = [scene_of(name, "photo") for name in ("dog", "red kite", "old man")]
    vocabulary = Vocabulary(Pictures(scenes).contents, {"micro": ["dinosaur"]})
    vocabulary.embed(np.eye(len(vocabulary.phrases), 8, dtype=np.float32))
    rng, shown = np.random.default_rng(0), [vocabulary.row("dog")]
    rows = {vocabulary.alien(rng, "photo", shown, limit=0.999) for _ in range(60)}
    assert {vocabulary.phrases[row] for row in rows} == {"red kite", "old man"}
