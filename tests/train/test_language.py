"""Behaviour of the distillation, with a teacher made of word vectors and a tiny tower."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from napari_clipseg.train import language, text_tower
from napari_clipseg.train.language import Corpus, DistilSettings
from napari_clipseg.train.phrases import Phrase
from napari_clipseg.train.teacher import (
    CachedTeacher,
    Vectors,
    format_similarities,
    similarity_table,
)

Trained = tuple[torch.nn.Module, language.DistilReport]

EMBED_DIM = 24
TEXT_CFG = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
SETTINGS = DistilSettings(steps=40, batch=64, learning_rate=5e-3, warmup=5, held_out=20)
ADJECTIVES = ["red", "blue", "small", "large", "round", "dark", "bright", "wet", "old", "thin"]
NOUNS = ["cell", "road", "lake", "tree", "stone", "house", "car", "dog", "leaf", "spot"]


def word_vector(word: str) -> Vectors:
    return (
        np.random.default_rng(zlib.crc32(word.encode())).normal(size=EMBED_DIM).astype(np.float32)
    )


def teacher(texts: Sequence[str]) -> Vectors:
    """Unit sum of fixed random word vectors: a meaning that is made of the words'."""
    sums = np.stack([sum(map(word_vector, text.split()), np.zeros(EMBED_DIM)) for text in texts])
    return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def tokenizer() -> open_clip.SimpleTokenizer:
    return text_tower.clip_tokenizer(TEXT_CFG["context_length"])


@pytest.fixture(scope="module")
def corpus(tokenizer: open_clip.SimpleTokenizer) -> Corpus:
    texts = [f"{adjective} {noun}" for adjective, noun in product(ADJECTIVES, NOUNS)]
    return language.build_corpus([Phrase(text, (text,)) for text in texts], teacher, tokenizer)


def train(corpus: Corpus, seed: int = 0) -> Trained:
    tower = text_tower.new_text_tower(EMBED_DIM, TEXT_CFG, seed)
    return tower, language.distil(tower, corpus, SETTINGS)


@pytest.fixture(scope="module")
def trained(corpus: Corpus) -> Trained:
    return train(corpus)


def test_it_learns_phrases_it_never_saw(corpus: Corpus, trained: Trained) -> None:
    untrained = text_tower.new_text_tower(EMBED_DIM, TEXT_CFG, seed=0)
    before = language.measure(untrained, corpus, torch.arange(len(corpus.weights)))
    assert trained[1].held_out == 20
    assert trained[1].held_out_cosine > before.held_out_cosine + 0.3


def test_output_norm_is_that_of_unit_variance_components(
    trained: Trained,
) -> None:
    assert trained[1].held_out_norm == pytest.approx(math.sqrt(EMBED_DIM), rel=0.2)


def test_same_seed_gives_the_same_weights(corpus: Corpus, trained: Trained) -> None:
    again, _ = train(corpus)
    for name, weight in trained[0].state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_another_seed_gives_other_weights(corpus: Corpus, trained: Trained) -> None:
    other, _ = train(corpus, seed=1)
    assert not torch.equal(
        trained[0].state_dict()["text_projection"], other.state_dict()["text_projection"]
    )


def test_weights_load_into_the_text_side_of_clip(
    corpus: Corpus,
    trained: Trained,
    tokenizer: open_clip.SimpleTokenizer,
    tmp_path: Path,
) -> None:
    file = tmp_path / "tower.safetensors"
    language.save_text_tower(trained[0], file, SETTINGS, trained[1])
    vision = {"image_size": 32, "patch_size": 16, "width": 16, "layers": 1, "head_width": 8}
    clip = open_clip.CLIP(EMBED_DIM, vision, TEXT_CFG).eval()
    loaded = clip.load_state_dict(load_file(file), strict=False)
    assert not loaded.unexpected_keys
    assert all(key.startswith("visual.") or key == "logit_scale" for key in loaded.missing_keys)
    tokens = torch.cat([corpus.tokens, tokenizer(["road! ! cell", "!", "lake " * 40])])
    with torch.inference_mode():
        wanted, given = clip.encode_text(tokens), text_tower.encode_tokens(trained[0], tokens)
    torch.testing.assert_close(given, wanted, atol=1e-4, rtol=1e-4)


def test_file_tells_how_it_was_made(trained: Trained, tmp_path: Path) -> None:
    file = tmp_path / "tower.safetensors"
    language.save_text_tower(trained[0], file, SETTINGS, trained[1])
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert {"text_cfg", "embed_dim", "settings", "report", "teacher"} <= metadata.keys()


def test_warm_start_already_knows_single_words(tokenizer: open_clip.SimpleTokenizer) -> None:
    texts = text_tower.token_texts(tokenizer)
    few = {row: texts[row] for row in tokenizer.encode(" ".join(ADJECTIVES + NOUNS))}
    cfg = TEXT_CFG | {"width": 24}
    tower = text_tower.new_text_tower(EMBED_DIM, cfg, seed=0)
    text_tower.warm_start(tower, few, teacher)
    with torch.no_grad():
        vectors = (tower.token_embedding.weight[list(few)] @ tower.text_projection).numpy()
    wanted = teacher(list(few.values()))
    cosine = (vectors * wanted).sum(axis=1) / np.linalg.norm(vectors, axis=1)
    assert cosine.min() > 0.99


def test_target_is_the_unit_mean_of_the_meaning() -> None:
    target = language.target_vectors([Phrase("cells", ("cell", "cells"))], teacher).float()
    mean = teacher(["cell", "cells"]).mean(axis=0)
    np.testing.assert_allclose(target[0], mean / np.linalg.norm(mean), atol=1e-3)


def test_long_text_keeps_its_end_token(tokenizer: open_clip.SimpleTokenizer) -> None:
    tokens = tokenizer(["road " * 40])
    assert tokens.shape == (1, TEXT_CFG["context_length"])
    assert tokens[0, -1] == tokenizer.eot_token_id


def test_cached_teacher_asks_for_each_text_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def counting(texts: Sequence[str]) -> Vectors:
        asked.extend(texts)
        return teacher(texts)

    first = CachedTeacher(counting, tmp_path / "cache.npz")(["road", "cell", "road"])
    second = CachedTeacher(counting, tmp_path / "cache.npz")(["cell", "road", "lake"])
    assert asked == ["road", "cell", "lake"]
    np.testing.assert_array_equal(first[:2], second[1::-1])


def test_held_out_phrases_are_general_ones_and_not_trained_on() -> None:
    weights = torch.tensor([6.0] * 10 + [1.0] * 30)
    train_rows, held = language.split_held_out(weights, 5, torch.Generator().manual_seed(0))
    assert len(held) == 5
    assert held.min() >= 10
    assert sorted([*train_rows.tolist(), *held.tolist()]) == list(range(40))


def test_similarity_table_gives_cosines_of_pairs() -> None:
    table = similarity_table(teacher, [("road", "road"), ("road", "cell")])
    assert table[0] == ("road", "road", pytest.approx(1.0, abs=1e-5))
    assert table[1][2] < 0.9
    assert "road" in format_similarities(teacher, teacher)
