from __future__ import annotations

import pytest
import torch

from napari_clipseg.errors import SettingError
from napari_clipseg.model.checkpoint import load_model, save_model
from napari_clipseg.model.precision import linear_names, lower, weights_hash


@pytest.fixture
def file(tiny_model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(tiny_model(), path, {})
    return path


def test_a_model_read_in_reduced_precision_equals_one_lowered_afterwards(file):
    loaded, later = load_model(file, dtype=torch.bfloat16), load_model(file)
    named = weights_hash(later.config, later.state_dict())
    lowered = lower(later, later.config, torch.bfloat16)
    assert loaded.kept == lowered
    assert lowered.weights_hash == named
    for name, value in later.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=0, atol=0)


def test_only_linear_layers_are_lowered(file):
    loaded = load_model(file, dtype=torch.bfloat16)
    lowered = {n for n, v in loaded.state_dict().items() if v.dtype == torch.bfloat16}
    assert lowered == linear_names(loaded)
    assert "encoder.clip.token_embedding.weight" not in lowered


def test_weights_in_reduced_precision_are_not_saved(file, tmp_path):
    with pytest.raises(SettingError, match="stored in bfloat16; load it"):
        save_model(load_model(file, dtype=torch.bfloat16), tmp_path / "b.safetensors", {})
