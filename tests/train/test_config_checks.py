import dataclasses

import pytest

from napari_clipseg.errors import ClipSegError
from napari_clipseg.train.config import (
    AnnotatedConfig,
    AugmentConfig,
    ConfigError,
    DataConfig,
    OptimConfig,
    SamplingConfig,
)
from napari_clipseg.train.config_checks import REALMS
from napari_clipseg.train.vocabulary import FOREIGN

VOC = AnnotatedConfig("voc", "VOC2012")


def refused(kind, said, **values):
    with pytest.raises(ConfigError) as caught:
        kind(**values)
    assert said in str(caught.value)
    assert isinstance(caught.value, ClipSegError)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("batch", 0, "at least 1"),
        ("prompts", 0, "at least 1"),
        ("supports", -1, "at least 0"),
        ("absent", 1.0, "at least 0 and below 1"),
        ("absent", -0.1, "at least 0 and below 1"),
        ("alien", 1.5, "at least -1 and at most 1"),
        ("mix", 1.1, "at least 0 and at most 1"),
        ("text_noise", float("inf"), "at least 0 and finite"),
        ("cycle", -3, "at least 0"),
    ],
)
def test_a_batch_cannot_be_drawn_with_numbers_out_of_range(name, value, allowed):
    refused(SamplingConfig, f"sampling.{name} is {value}; it must be {allowed}", **{name: value})


def test_a_batch_holds_at_most_one_prompt_image_for_each_image():
    refused(SamplingConfig, "larger than sampling.batch, which is 2", batch=2, supports=3)
    assert SamplingConfig(batch=2, supports=2).supports == 2


def test_an_unknown_prompt_image_is_refused_with_the_known_ones():
    refused(SamplingConfig, "'sparkles' is unknown; there are", prompt_image="sparkles")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0])
def test_the_learning_rate_is_a_finite_number_above_0(value):
    refused(OptimConfig, f"optim.rate is {value}; it must be above 0 and finite", rate=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("warmup", -1), ("average", 3.0), ("average", 1.0), ("clip", -1.0)]
    + [(name, -0.1) for name in ("final_rate", "tower", "tower_late", "film", "weight_decay")]
    + [(name, float("nan")) for name in ("dice", "align", "contrast")],
)
def test_weights_cannot_be_moved_with_numbers_out_of_range(name, value):
    refused(OptimConfig, f"optim.{name} is {value}; it must be", **{name: value})


def test_the_run_is_longer_than_its_warmup():
    refused(OptimConfig, "optim.warmup is 30, but the run has only 20 steps", steps=20, warmup=30)
    refused(OptimConfig, "must be smaller than optim.steps", steps=20, warmup=20)
    assert OptimConfig(steps=20, warmup=19).warmup == 19


@pytest.mark.parametrize("rise", [(3,), (), (1, 2, 3), (9, 3), (-1, 3)])
def test_the_share_of_the_tower_rises_between_two_steps(rise):
    refused(OptimConfig, f"optim.tower_rise is {list(rise)}; it must be two", tower_rise=rise)


def test_a_source_may_have_the_share_0_beside_others():
    assert DataConfig({"cells": 0, "streets": 1}).weights["cells"] == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"weights": {"cells": -1}}, "the share of data.weights.cells is -1"),
        ({"synthetic": {"objects": float("nan")}}, "the share of data.synthetic.objects is nan"),
        (
            {"annotated": {"voc": dataclasses.replace(VOC, share=-1.0)}},
            "the share of data.annotated.voc is -1.0",
        ),
        ({"weights": {"cells": 0, "streets": 0}}, "all shares are 0"),
        ({"weights": {"cells": 1}, "mosaics": {"stones": 0}}, "none of them can be generated"),
        ({"pool": 0}, "data.pool is 0"),
    ],
)
def test_shares_that_give_no_samples_are_refused(values, said):
    refused(DataConfig, said, **values)


@pytest.mark.parametrize("other", ["mosaics", "synthetic", "annotated"])
def test_a_name_stands_for_one_source_only(other):
    entry = VOC if other == "annotated" else 1
    said = f"'cells' is in data.weights and in data.{other}"
    refused(DataConfig, said, weights={"cells": 1}, **{other: {"cells": entry}})


@pytest.mark.parametrize(
    "values",
    [{name: ("nope",)} for name in ("upright", "invertible", "stained", "unlabelled")]
    + [{name: {"nope": ["sky"]}} for name in ("background", "skip")]
    + [{name: {"nope": {"sky": ["sky"]}}} for name in ("also", "lacks")],
)
def test_what_is_said_of_a_set_that_is_not_learned_from_is_refused(values):
    refused(DataConfig, "names 'nope', which is no set", weights={"cells": 1}, **values)


def test_a_tile_set_may_skip_concepts_but_has_no_background():
    tiles = {"mosaics": {"stones": 1}}
    assert DataConfig(**tiles, skip={"stones": ["moss"]}, also={"stones": {"moss": ["green"]}})
    refused(DataConfig, "which is no set of data.weights", **tiles, background={"stones": ["x"]})


def test_the_realms_are_those_of_which_is_known_what_they_do_not_show():
    assert set(REALMS) == set(FOREIGN)
    refused(DataConfig, "the realm of data.absent 'microscopy' is", absent={"microscopy": ["cat"]})
    sea = {"sea": dataclasses.replace(VOC, realm="sea")}
    refused(DataConfig, "data.annotated.sea.realm 'sea' is unknown", annotated=sea)


def test_a_set_in_a_published_format_needs_a_split_to_train_on_but_none_to_validate_on():
    refused(DataConfig, "voc.train is", annotated={"voc": dataclasses.replace(VOC, train="")})
    assert DataConfig(annotated={"voc": dataclasses.replace(VOC, val="")})


def test_a_phrase_says_something():
    of = {"weights": {"cells": 1}}
    refused(DataConfig, "data.absent.micro holds a blank phrase", absent={"micro": ["cat", " "]})
    refused(DataConfig, "data.also.cells.rbc holds a blank", **of, also={"cells": {"rbc": [""]}})
    refused(DataConfig, "data.lacks.cells.rbc is empty", **of, lacks={"cells": {"rbc": []}})


def test_there_is_something_to_learn_from(tiny_run):
    with pytest.raises(ConfigError, match="there is nothing to learn from"):
        dataclasses.replace(tiny_run, data=DataConfig())
    assert dataclasses.replace(tiny_run, data=DataConfig(annotated={"voc": VOC}))


@pytest.mark.parametrize("name", ["checkpoint_every", "validate_every", "accumulate"])
def test_what_is_done_every_few_steps_is_done_at_least_every_step(tiny_run, name):
    with pytest.raises(ConfigError, match=f"{name} is 0; it must be at least 1"):
        dataclasses.replace(tiny_run, **{name: 0})


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_is_one_that_torch_takes(tiny_run, seed):
    with pytest.raises(ConfigError, match=f"seed is {seed}"):
        dataclasses.replace(tiny_run, seed=seed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reduce_dim": -1}, "model.reduce_dim is -1"),
        ({"decoder_heads": 3}, "no multiple of model.decoder_heads"),
        ({"extract_layers": (0, 2)}, "it must hold blocks from 0 to 1"),
        ({"extract_layers": (1, 0)}, "ascending"),
        ({"extract_layers": ()}, "model.extract_layers is []"),
        ({"tile": 36}, "must be a multiple of the patch, 8"),
        ({"threshold": 4.0}, "model.threshold is 4.0"),
        ({"extra_blocks": -1}, "model.extra_blocks is -1"),
        ({"clip": {"embed_dim": 3}}, "model.clip is no table of a CLIP"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(tiny_run, change, said):
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(tiny_run, model=dataclasses.replace(tiny_run.model, **change))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"crop": "round"}, "augment.crop 'round' is unknown; there are scaled, largest"),
        ({"scales": (2.0, 0.5)}, "augment.scales is [2.0, 0.5]; it must be two numbers"),
        ({"scales": (0.0, 1.0)}, "augment.scales is [0.0, 1.0]; it must be two numbers"),
        ({"mirrored": 1.5}, "augment.mirrored is 1.5; it must be at least 0 and at most 1"),
        ({"full_range": 0.7}, "augment.full_range and augment.moved together are more than 1"),
        ({"tinted": 0.0}, "augment.grey is larger than augment.tinted"),
    ],
)
def test_squares_cannot_be_cut_with_impossible_shares(settings, words):
    refused(AugmentConfig, words, **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"text_share": (0.5, 0.2)}, "sampling.text_share is [0.5, 0.2]; it must be two numbers"),
        ({"text_share": (0.0,)}, "sampling.text_share is [0.0]; it must be two numbers"),
        ({"templates": "poems"}, "sampling.templates 'poems' is unknown; there are plain"),
        ({"own_support": -0.1}, "sampling.own_support is -0.1"),
    ],
)
def test_sentences_and_mixes_are_those_that_can_be_drawn(settings, words):
    refused(SamplingConfig, words, **settings)
