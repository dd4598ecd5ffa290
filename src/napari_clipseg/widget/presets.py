"""Sets of prompts by domain: those of the package, and a person's own from a file of theirs."""

from __future__ import annotations

import dataclasses
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import platformdirs

from napari_clipseg.errors import SettingError

KEYS = {"prompts", "negative", "template"}


@dataclasses.dataclass(frozen=True, slots=True)
class Preset:
    """A set of prompts.

    Parameters
    ----------
    domain : str
        Under which it is offered.
    name : str
    prompts : tuple of str
        What is wanted.
    negative : tuple of str
        What is not.
    template : str
        Empty: the template stays as it is.
    """

    domain: str
    name: str
    prompts: tuple[str, ...]
    negative: tuple[str, ...] = ()
    template: str = ""


def own_presets_path() -> Path:
    """Return where a person's own presets are looked for."""
    return Path(platformdirs.user_config_dir("napari-clipseg", appauthor=False)) / "presets.toml"


def bundled_presets() -> list[Preset]:
    """Return the presets that come with the package."""
    text = (files("napari_clipseg") / "widget" / "presets.toml").read_text(encoding="utf-8")
    return parse_presets(text)


def own_presets(path: Path) -> list[Preset]:
    """Return a person's own presets, none if there is no such file.

    Raises
    ------
    SettingError
        If the file cannot be read or is not of the right form; says where and how it should be.
    """
    if not path.is_file():
        return []
    try:
        return parse_presets(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, SettingError) as error:
        raise SettingError(f"Your presets in {path} are left out: {error}.") from error


def parse_presets(text: str) -> list[Preset]:
    """Return the presets of a TOML text: tables ``[Domain."Name"]`` with a list of prompts.

    Raises
    ------
    SettingError
        If a table is not of this form.
    tomllib.TOMLDecodeError
        If it is no TOML.
    """
    domains = tomllib.loads(text)
    return [
        _preset(domain, name, table)
        for domain, presets in domains.items()
        for name, table in _table(domain, presets).items()
    ]


def _preset(domain: str, name: str, table: Any) -> Preset:
    where = f'[{domain}."{name}"]'
    fields = _table(where, table)
    unknown = sorted(set(fields) - KEYS)
    if unknown:
        raise SettingError(f"{where} has {unknown[0]!r}, known are {', '.join(sorted(KEYS))}")
    prompts, negative = (_texts(where, fields, key) for key in ("prompts", "negative"))
    if not prompts:
        raise SettingError(f"{where} needs a list of texts: prompts = [...]")
    template = fields.get("template", "")
    if not isinstance(template, str) or (template and "{}" not in template):
        raise SettingError(f"the template of {where} needs {{}} for the prompt")
    return Preset(domain, name, prompts, negative, template)


def _table(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingError(f"{where} is no table; a preset begins with [Domain.Name]")
    return value


def _texts(where: str, fields: dict[str, Any], key: str) -> tuple[str, ...]:
    value = fields.get(key, [])
    if not isinstance(value, list) or not all(isinstance(e, str) and e.strip() for e in value):
        raise SettingError(f"{key} of {where} must be a list of texts that are not blank")
    return tuple(each.strip() for each in value)
