"""From a configuration and a data folder to the pictures that are trained and validated on."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from napari_clipseg.train.config import AnnotatedConfig, ConfigError, DataConfig
from napari_clipseg.train.dataset import DataSet, Scene, read_index
from napari_clipseg.train.generated.generators import GENERATORS, Maker
from napari_clipseg.train.generated.mosaic import mosaic
from napari_clipseg.train.readers.annotated import AnnotatedScenes
from napari_clipseg.train.readers.formats import READERS
from napari_clipseg.train.sampling import Library
from napari_clipseg.train.sources import Pictures, Source


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
    sources = _pictures(config, sets, "train")
    makers = {name: _mosaic_maker(sets[name]) for name in config.mosaics}
    makers |= {name: _generator(name) for name in config.synthetic}
    shares = {**config.mosaics, **config.synthetic}
    for name, maker in makers.items():
        count = max(1, round(config.pool * shares[name] / sum(shares.values())))
        sources[name] = Pictures(_made(maker, count, [seed, zlib.crc32(name.encode())]))
    for name, each in config.annotated.items():
        sources[name] = _annotated(name, each, each.train, data)
        shares[name] = each.share
    return Library(sources, {**config.weights, **shares})


def build_held_out(config: DataConfig, data: Path | None) -> dict[str, Source]:
    """Return the validation pictures of every data set that has some.

    Raises
    ------
    ConfigError
        If a name is unknown or a data folder is missing.
    """
    held_out = _pictures(config, read_sets(config, data), "val")
    for name, each in config.annotated.items():
        if each.val:
            held_out[name] = _annotated(name, each, each.val, data)
    return held_out


def read_sets(config: DataConfig, data: Path | None) -> dict[str, DataSet]:
    """Return the data sets that a configuration names; none needs no data folder."""
    if not {**config.weights, **config.mosaics}:
        return {}
    return read_index(_given(data), config)


def _pictures(config: DataConfig, sets: Mapping[str, DataSet], split: str) -> dict[str, Source]:
    """Return a split of every data set of our own layout that has masks."""
    return {name: Pictures(sets[name].scenes(split)) for name in config.weights}


def _given(data: Path | None) -> Path:
    if data is None:
        raise ConfigError("the configuration names data sets, but no data folder was given")
    return data


def _annotated(
    name: str, config: AnnotatedConfig, split: str, data: Path | None
) -> AnnotatedScenes:
    """Return a split of a data set in a published format."""
    if config.format not in READERS:
        known = ", ".join(READERS)
        raise ConfigError(
            f"data.annotated.{name}.format is {config.format!r}, which is unknown; "
            f"there are {known}"
        )
    found = READERS[config.format](_given(data) / config.folder, split).scenes(config.realm)
    if not len(found):
        raise ConfigError(f"the split {split!r} of data.annotated.{name} shows nothing")
    return found


def _generator(name: str) -> Maker:
    if name not in GENERATORS:
        known = ", ".join(GENERATORS)
        raise ConfigError(f"data.synthetic.{name} is no generator; there are {known}")
    return GENERATORS[name]


def _mosaic_maker(source: DataSet) -> Maker:
    return partial(mosaic, tiles=source.tiles(), phrases=source.phrases)


def _made(maker: Maker, count: int, seed: Sequence[int]) -> list[Scene]:
    return [maker(np.random.default_rng([*seed, index])) for index in range(count)]
