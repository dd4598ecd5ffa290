"""Options from a file: a TOML or JSON file of options, or the record of an earlier run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import click

from napari_clipseg.cli.fields import PATH, option
from napari_clipseg.cli.repeat import Record, is_record, only_record
from napari_clipseg.engine.shape import Misshapen, check


def _load(context: click.Context, itself: click.Parameter, path: Path | None) -> Record | None:
    """Make the file's settings the defaults of all options, which the command line overrides.

    Returns
    -------
    Record, optional
        The record, where it is one, for what the options cannot say of it.
    """
    if path is None:
        return None
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        settings = _settings(path)
        record = Record.checked(path, settings) if is_record(settings) else None
    except Misshapen as error:
        raise click.BadParameter(f"{path} cannot be taken as a recipe: {error}") from error
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{path} cannot be read: {error}") from error
    defaults = settings if record is None else record.options()
    options = {
        each.name: each
        for each in context.command.params
        if isinstance(each, click.Option) and each is not itself
    }
    context.default_map = {}
    for written, value in defaults.items():
        name = written.replace("-", "_")
        if name not in options:
            raise click.BadParameter(f"{path} sets {written!r}, which is no option of a recipe")
        context.default_map[name] = value if callable(value) else _typed(options[name], value, path)
    return record


def _settings(path: Path) -> Mapping[str, Any]:
    """Return the fields of a file; of a layer's metadata those of its only record."""
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() != ".json":
        return tomllib.loads(text)
    settings = json.loads(text)
    check(settings, {})
    return only_record(settings)


def _typed(option: click.Option, value: Any, path: Path) -> Any:
    """Return a value as it is typed: a list is one text with commas, unless it can be repeated."""
    if option.is_flag:
        _check(option, value, (bool,), "true or false", path)
        return value
    items = value if isinstance(value, list) else [value]
    for item in items:
        _check(option, item, (str, int, float), "a number or a text", path)
    texts = [str(item) for item in items]
    return texts if option.multiple else ",".join(texts)


def _check(
    option: click.Option, value: Any, kinds: tuple[type, ...], wanted: str, path: Path
) -> None:
    # to Python true is a whole number too
    if type(value) not in kinds:
        shown = json.dumps(value, default=str)
        raise click.BadParameter(
            f"{path} sets {option.opts[0][2:]!r} to {shown}, but {wanted} is wanted"
        )


Recipe = Annotated[
    Record | None,
    option(
        "Take options from a TOML file, or from the .recipe.json of an earlier run.",
        type=PATH,
        is_eager=True,
        callback=_load,
        metavar="FILE",
    ),
]
