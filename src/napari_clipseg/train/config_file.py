"""A training configuration, read from a TOML file and the files that it builds on."""

from __future__ import annotations

import dataclasses
import functools
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_clipseg.errors import ClipSegError
from napari_clipseg.train.config import ConfigError, TrainConfig

_CALLED: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}
"""What a value of a type is called in a message."""


def read_config(file: str | Path) -> TrainConfig:
    """Return the configuration that a TOML file holds.

    A file may name a ``base``, relative to itself, whose settings hold where it says nothing else.

    Raises
    ------
    ConfigError
        If the file is missing, is no TOML, is its own base, or holds an unknown name or an
        impossible value. The message names the file.

    Notes
    -----
    ``clip`` in ``[model]`` may be the name of an architecture of open_clip, such as "ViT-L-14",
    or ``"local-dir:FOLDER"`` with its ``open_clip_config.json``, in place of a table. Without
    ``[model]`` the network is that of ``start``.
    """
    layers = _layers(Path(file))
    table = functools.reduce(_overlaid, reversed(layers.values()))
    try:
        _settings(TrainConfig, table, "")  # before a network is read from a file
        config: TrainConfig = _build(TrainConfig, {**table, "model": _network(table)}, "")
    except ConfigError as error:
        raise ConfigError(f"{_named(list(layers))}: {error}") from error
    return config


def _layers(file: Path) -> dict[Path, dict[str, Any]]:
    """Return what a file says itself, then its base, then that one's base ..."""
    layers: dict[Path, dict[str, Any]] = {}
    while True:
        table = _read_table(file)
        base = table.pop("base", None)
        layers[file] = table
        if base is None:
            return layers
        above, file = file, file.parent / _checked(base, str, f"{file}: base")
        if any(file.resolve() == other.resolve() for other in layers):
            raise ConfigError(f"{above}: base leads back to {file}; a file cannot build on itself")


def _read_table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the training configuration {file} cannot be read: {error}") from error


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of both, those of ``above`` where both have one, tables within included."""
    merged = dict(below)
    for key, value in above.items():
        nested = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _overlaid(below[key], value) if nested else value
    return merged


def _named(files: list[Path]) -> str:
    """Say which files a configuration was put together from."""
    bases = " on ".join(str(each) for each in files[1:])
    return f"{files[0]} (on {bases})" if bases else str(files[0])


def _network(table: Mapping[str, Any]) -> Any:
    """Return the table of the network, with what it only names filled in."""
    if "model" not in table:
        return _network_of(_checked(table.get("start", ""), str, "start"))
    model = table["model"]
    if isinstance(model, dict) and isinstance(model.get("clip"), str):
        # open_clip takes seconds to import, and most files do not name it
        from napari_clipseg.train.backbone import architecture

        return {**model, "clip": architecture(model["clip"])}
    return model


def _network_of(start: str) -> dict[str, Any]:
    """Return the table of the network that a training goes on from."""
    if not start:
        raise ConfigError(
            "there is neither [model] nor start: describe a network in [model], or name in "
            'start the model to go on from, for example start = "starter"'
        )
    # torch takes seconds to import, and most files describe their network
    from napari_clipseg.model.checkpoint import load_model

    try:
        fields = dataclasses.asdict(load_model(start).config)
    except ClipSegError as error:
        raise ConfigError(f"start is {start!r}, which cannot be gone on from: {error}") from error
    return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def _build(kind: Any, table: Mapping[str, Any], where: str) -> Any:
    """Make a dataclass of a table, tables within it included."""
    hints = _settings(kind, table, where)
    values = {key: _value(hints[key], value, f"{where}{key}") for key, value in table.items()}
    for field in dataclasses.fields(kind):
        needed = field.default is field.default_factory is dataclasses.MISSING
        if needed and field.name not in values:
            raise ConfigError(f"{where}{field.name} is missing: it has no default")
    return kind(**values)


def _settings(kind: Any, table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the types of a dataclass' settings by name; refuse a table that has others."""
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(table) - set(hints))
    if unknown:
        raise ConfigError(f"{where}{unknown[0]} is not a setting; there are {', '.join(hints)}")
    return hints


def _value(kind: Any, value: Any, where: str) -> Any:
    """Return a value of TOML as the type that a setting has, everything in it checked."""
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _build(kind, _checked(value, dict, where), f"{where}.")
    origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (list, tuple):
        items = _checked(value, list, where)
        return origin(_value(inner[0], each, f"an item of {where}") for each in items)
    if origin is Mapping:
        return _mapping(inner[1], _checked(value, dict, where), where)
    return float(_checked(value, float, where)) if kind is float else _checked(value, kind, where)


def _mapping(kind: Any, table: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    made = {key: _value(kind, value, f"{where}.{key}") for key, value in table.items()}
    # whole numbers stay whole: the checkpoints of earlier runs hold a hash of how they are written
    return table if kind is float else made


def _checked(value: Any, kind: type, where: str) -> Any:
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or isinstance(value, bool) is not (kind is bool):
        raise ConfigError(f"{where} is {value!r}; it must be {_CALLED[kind]}")
    return value
