from __future__ import annotations

import pytest

from napari_clipseg.errors import WeightsInvalid
from napari_clipseg.model.config import ModelConfig


def test_a_configuration_survives_json(tiny_config):
    config = tiny_config(stem=(4, 8, 16), head="refined", threshold=0.4, extract_layers=(1, 2, 3))
    assert ModelConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", '{"colour": "blue"}', "null"])
def test_what_is_no_configuration_is_refused(text):
    with pytest.raises(WeightsInvalid, match="configuration cannot be read"):
        ModelConfig.from_json(text)


def test_the_default_is_the_released_clipseg():
    config = ModelConfig()
    assert (config.patch, config.embed_dim, config.width) == (16, 512, 768)
    assert (config.extract_layers, config.reduce_dim, config.tile) == ((3, 6, 9), 64, 352)
