import dataclasses

import numpy as np
import pytest
import torch

from napari_clipseg.errors import EngineError, OutOfMemory, UnknownName
from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.train import gradients as module
from napari_clipseg.train.augment import Cutter
from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.generated.appearance import objects
from napari_clipseg.train.gradients import Gradients
from napari_clipseg.train.library import build_library
from napari_clipseg.train.loop import train
from napari_clipseg.train.network import ModelOnSquares, embed, new_model
from napari_clipseg.train.objective import Seen
from napari_clipseg.train.sampling import Sampler
from napari_clipseg.train.validation import telling_square
from napari_clipseg.train.vocabulary import Vocabulary


@pytest.fixture
def sampler(tiny_run):
    library = build_library(tiny_run.data, None, 0)
    vocabulary = Vocabulary(library.contents, {})
    vocabulary.embed(embed(new_model(tiny_run), vocabulary.phrases))
    config = dataclasses.replace(tiny_run.sampling, batch=4, supports=3)
    return Sampler(library, vocabulary, config, Cutter(tiny_run.augment, 32), seed=0)


def gradients_of(config, batch):
    """Losses by name, and the gradients of all weights as one vector."""
    model = new_model(config)
    losses = Gradients(model, config).add(0, batch)
    trained = [p for p in model.parameters() if p.grad is not None]
    return losses, torch.cat([p.grad.flatten() for p in trained])


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_batch_in_parts_gives_the_same_gradients(tiny_run, sampler, parts):
    batch = sampler.batch(0)
    whole = gradients_of(tiny_run, batch)
    tiny_run = dataclasses.replace(
        tiny_run, accumulate=parts, sampling=dataclasses.replace(tiny_run.sampling, batch=4)
    )
    split = gradients_of(tiny_run, batch)
    assert split[0] == pytest.approx(whole[0], rel=1e-4)
    torch.testing.assert_close(split[1], whole[1], rtol=1e-3, atol=1e-6)


def failing_above(images, error):
    """Let a tower look at this many images at most."""
    look = Seen.of

    def limited(model, part):
        if len(part.images) > images:
            raise error
        return look(model, part)

    return limited


def test_running_out_of_memory_gives_the_same_gradients_in_smaller_parts(
    tiny_run, sampler, monkeypatch
):
    batch = sampler.batch(0)
    whole = gradients_of(tiny_run, batch)
    monkeypatch.setattr(module.Seen, "of", failing_above(1, torch.OutOfMemoryError("full")))
    model = new_model(tiny_run)
    gradients = Gradients(model, tiny_run)
    losses = gradients.add(0, batch)
    assert gradients.parts == 4
    assert losses == pytest.approx(whole[0], rel=1e-4)
    found = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(found, whole[1], rtol=1e-3, atol=1e-6)


def test_parts_that_were_done_before_memory_ran_out_do_not_count_twice(
    tiny_run, sampler, monkeypatch
):
    batch = sampler.batch(0)
    whole = gradients_of(tiny_run, batch)
    look, calls = Seen.of, []

    def second_call_fails(model, part):
        calls.append(len(part.images))
        if len(calls) == 2:
            raise RuntimeError("CUDA out of memory")
        return look(model, part)

    monkeypatch.setattr(module.Seen, "of", second_call_fails)
    split = dataclasses.replace(tiny_run, accumulate=2)
    _, found = gradients_of(split, batch)
    assert calls == [2, 2, 1, 1, 1, 1]
    torch.testing.assert_close(found, whole[1], rtol=1e-3, atol=1e-6)


def test_one_image_that_does_not_fit_is_said(tiny_run, sampler, monkeypatch):
    monkeypatch.setattr(module.Seen, "of", failing_above(0, torch.OutOfMemoryError("full")))
    with pytest.raises(OutOfMemory):
        gradients_of(tiny_run, sampler.batch(0))


def test_another_failure_is_no_matter_of_memory(tiny_run, sampler, monkeypatch):
    monkeypatch.setattr(module.Seen, "of", failing_above(0, RuntimeError("no kernel")))
    with pytest.raises(EngineError, match="no kernel"):
        gradients_of(tiny_run, sampler.batch(0))


def test_half_the_precision_gives_nearly_the_same_gradients(tiny_run, sampler):
    batch = sampler.batch(0)
    exact = gradients_of(tiny_run, batch)[1]
    rounded = gradients_of(dataclasses.replace(tiny_run, precision="bfloat16"), batch)[1]
    assert not torch.equal(exact, rounded)
    assert torch.cosine_similarity(exact, rounded, dim=0) > 0.99
    assert rounded.dtype == torch.float32


@pytest.mark.parametrize(
    ("precision", "error"), [("float16", ConfigError), ("float8", UnknownName)]
)
def test_a_precision_that_cannot_be_had_is_refused(tiny_run, precision, error):
    with pytest.raises(error):
        Gradients(new_model(tiny_run), dataclasses.replace(tiny_run, precision=precision))


def test_activations_of_batches_that_come_again_are_computed_once(tiny_run, tmp_path, monkeypatch):
    sampling = dataclasses.replace(tiny_run.sampling, cycle=2)
    config = dataclasses.replace(tiny_run, sampling=sampling, trained=("decoder.",))
    look, calls = Seen.of, []
    monkeypatch.setattr(module.Seen, "of", lambda model, part: calls.append(1) or look(model, part))
    kept = train(config, tmp_path / "kept").weights
    assert len(calls) == 2
    add = Gradients.add
    monkeypatch.setattr(
        Gradients, "add", lambda self, *given: self._kept.clear() or add(self, *given)
    )
    anew = load_model(train(config, tmp_path / "anew").weights).state_dict()
    assert len(calls) == 2 + tiny_run.optim.steps
    for name, value in load_model(kept).state_dict().items():
        assert torch.equal(value, anew[name]), name


def test_a_tower_that_is_trained_is_asked_every_time(tiny_run, tmp_path, monkeypatch):
    sampling = dataclasses.replace(tiny_run.sampling, cycle=2)
    look, calls = Seen.of, []
    monkeypatch.setattr(module.Seen, "of", lambda model, part: calls.append(1) or look(model, part))
    train(dataclasses.replace(tiny_run, sampling=sampling), tmp_path)
    assert len(calls) == tiny_run.optim.steps


def test_batches_come_again_after_a_cycle(sampler):
    sampler.config = dataclasses.replace(sampler.config, cycle=3)
    np.testing.assert_array_equal(sampler.batch(1).images, sampler.batch(7).images)
    assert not np.array_equal(sampler.batch(1).images, sampler.batch(2).images)


def test_dropout_is_the_same_for_the_same_step_and_off_where_scores_are_made(tiny_run, sampler):
    optim = dataclasses.replace(tiny_run.optim, dropout=0.5)
    config = dataclasses.replace(tiny_run, optim=optim)
    model, batch = new_model(config), sampler.batch(0)
    losses = [Gradients(model, config).add(step, batch)["mask"] for step in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    scene = objects(np.random.default_rng(0))
    predict = ModelOnSquares(model)
    first, second = (predict(telling_square(scene, 32), ["spots"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert model.decoder.training
