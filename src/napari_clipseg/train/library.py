"""From a configuration and a data folder to the pictures in memory and their words."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from napari_clipseg.train.config import ConfigError, DataConfig
from napari_clipseg.train.dataset import DataSet, Scene, read_index
from napari_clipseg.train.generated.generators import GENERATORS, Maker
from napari_clipseg.train.generated.mosaic import mosaic
from napari_clipseg.train.sampling import Library


def build_library(config: DataConfig, data: Path | None, seed: int) -> Library:
    """Read the training pictures and generate the others.

    Parameters
    ----------
    config : DataConfig
    data : Path or None
        Data folder; None where only generated pictures are named.
    seed : int
        The same seed generates the same pictures.

    Raises
    ------
    ConfigError
        If a name is unknown or a data folder is missing.
    """
    sets = read_sets(config, data)
    sources = {name: sets[name].scenes("train") for name in config.weights}
    makers = {name: _mosaic_maker(sets[name]) for name in config.mosaics}
    makers |= {name: _generator(name) for name in config.synthetic}
    shares = {**config.mosaics, **config.synthetic}
    for name, maker in makers.items():
        count = max(1, round(config.pool * shares[name] / sum(shares.values())))
        sources[name] = _made(maker, count, [seed, zlib.crc32(name.encode())])
    return Library(sources, {**config.weights, **shares})


def read_sets(config: DataConfig, data: Path | None) -> dict[str, DataSet]:
    """Return the data sets that a configuration names; none needs no data folder."""
    if not {**config.weights, **config.mosaics}:
        return {}
    if data is None:
        raise ConfigError("the configuration names data sets, but no data folder was given")
    return read_index(data, config)


def _generator(name: str) -> Maker:
    if name not in GENERATORS:
        known = ", ".join(GENERATORS)
        raise ConfigError(f"data.synthetic.{name} is no generator; there are {known}")
    return GENERATORS[name]


def _mosaic_maker(source: DataSet) -> Maker:
    return partial(mosaic, tiles=source.tiles(), phrases=source.phrases)


def _made(maker: Maker, count: int, seed: Sequence[int]) -> list[Scene]:
    return [maker(np.random.default_rng([*seed, index])) for index in range(count)]
