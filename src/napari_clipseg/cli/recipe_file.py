"""Options from a file: a TOML file of options, or the recipe that an earlier run left."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from napari_clipseg.cli.fields import PATH, option

REPEATED = ("tile", "overlap", "zoom", "batch", "precision", "device")
"""Settings of a recorded run that are options of their own."""


def _load(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make the file's settings the defaults of all options, which the command line overrides."""
    if path is None:
        return
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8")
        settings = _of_record(json.loads(text)) if kind == "JSON" else tomllib.loads(text)
    except (ValueError, KeyError, TypeError) as error:
        raise click.BadParameter(f"{path} cannot be read as {kind}: {error}") from error
    options = {each.name: each for each in context.command.params if isinstance(each, click.Option)}
    defaults = {name.replace("-", "_"): value for name, value in settings.items()}
    unknown = sorted(set(defaults) - set(options))
    if unknown:
        raise click.BadParameter(f"{path} sets {unknown[0]!r}, which is no option")
    context.default_map = {
        name: _typed(value, options[name].multiple) for name, value in defaults.items()
    }


def _typed(value: Any, repeatable: bool) -> Any:
    """Return a value as it is typed: a list is one text with commas, unless it can be repeated."""
    several = isinstance(value, list)
    if repeatable:
        return value if several else [value]
    return ",".join(map(str, value)) if several else value


def _of_record(record: Any) -> Mapping[str, Any]:
    """Return the options of a recorded run; JSON without its fields holds options itself."""
    if "settings" not in record:
        return dict(record)
    prompts = record["prompts"]
    if any("text" not in each or "mask" in each for each in prompts):
        raise ValueError("it has a painted example, which must be given with --support-mask")
    return {
        "model": record["model"],
        "prompt": [each["text"] for each in prompts],
        "contrast": list(record["contrast"]),
        "threshold": record["threshold"],
        **{name: record["settings"][name] for name in REPEATED},
        **record.get("job", {}).get("options", {}),
    }


RECIPE = option(
    "Take options from a TOML file, or from the .recipe.json of an earlier run.",
    type=PATH,
    is_eager=True,
    expose_value=False,
    callback=_load,
    metavar="FILE",
)("recipe")
