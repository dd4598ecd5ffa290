"""Records of annotation files, checked: an error says which file, which record and what is wrong.

No torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from PIL import Image, UnidentifiedImageError

from napari_clipseg.train.config import ConfigError

Value = TypeVar("Value")
Identifier = int | str

_SHOWN_CHARACTERS = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """An object of a JSON file, or an item of one of its lists, with its place in the file.

    Parameters
    ----------
    file : Path
    path : tuple of str or int
        Keys and positions that lead to it.
    values : object
        What is there; anything but a mapping is refused.

    Raises
    ------
    ConfigError
        If it is no mapping.
    """

    file: Path
    path: tuple[str | int, ...]
    values: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise ConfigError(f"{self.place} is {_shown(self.values)}, not a JSON object")

    @property
    def place(self) -> str:
        """Where it is, as one says it: "annotations[3] of instances_val2017.json"."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        path = "".join(steps).removeprefix(".")
        return f"{path} of {self.file}" if path else str(self.file)

    def get(self, key: str, *kinds: type[Value]) -> Value:
        """Return the value of a key, which is of one of the kinds.

        Raises
        ------
        ConfigError
            If there is none, or it is of another kind.
        """
        if key not in self.values:
            raise ConfigError(f"{self.place} has no {key!r}")
        value: Value = self.values[key]
        if not isinstance(value, kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise ConfigError(f"{key!r} in {self.place} is {_shown(value)}, not of type {names}")
        return value

    def identifier(self, key: str) -> Identifier:
        """Return the identifier that is the value of a key.

        Raises
        ------
        ConfigError
            If there is none, or it is neither a whole number nor a string.
        """
        return cast(Identifier, self.get(key, int, str))

    def look_up(self, key: str, listed: Mapping[Identifier, Value]) -> Value:
        """Return what the file lists under the identifier that is the value of a key.

        Raises
        ------
        ConfigError
            If the file does not list it.
        """
        identifier = self.identifier(key)
        if identifier not in listed:
            raise ConfigError(
                f"{self.place} has the {key} {identifier!r}, which the file does not list: "
                "add it there, or take this record out"
            )
        return listed[identifier]

    def list_of(self, key: str) -> list[Record]:
        """Return the records of a list.

        Raises
        ------
        ConfigError
            If there is no such list, or one of its items is no mapping.
        """
        items = self.get(key, list)
        return [Record(self.file, (*self.path, key, at), item) for at, item in enumerate(items)]

    def by_identifier(self, key: str) -> dict[Identifier, Record]:
        """Return the records of a list by their ``id``.

        Raises
        ------
        ConfigError
            If there is no such list, or an ``id`` is missing or there twice.
        """
        listed: dict[Identifier, Record] = {}
        for record in self.list_of(key):
            identifier = record.identifier("id")
            if identifier in listed:
                raise ConfigError(f"{record.place} has the id {identifier!r} a second time")
            listed[identifier] = record
        return listed


def read_object(file: Path) -> Record:
    """Return the object that a JSON file holds.

    Raises
    ------
    ConfigError
        If there is no such file, or it holds something else.
    """
    return Record(file, (), _read(file))


def read_list(file: Path) -> list[Record]:
    """Return the records of the list that a JSON file holds.

    Raises
    ------
    ConfigError
        If there is no such file, or it holds something else.
    """
    items = _read(file)
    if not isinstance(items, list):
        raise ConfigError(f"{file} holds {_shown(items)}, not a list")
    return [Record(file, (at,), item) for at, item in enumerate(items)]


def picture_shape(file: Path) -> tuple[int, int]:
    """Return height and width of a picture, of which no pixel is read.

    Raises
    ------
    ConfigError
        If there is no such file, or Pillow cannot read it.
    """
    try:
        with Image.open(file) as picture:
            return picture.height, picture.width
    except OSError as error:
        raise unreadable(file, error) from error


def check_shape(file: Path, shape: tuple[int, int], place: str) -> None:
    """Refuse masks that are of another shape than their picture.

    Parameters
    ----------
    file : Path
        The picture.
    shape : (int, int)
        Height and width of the masks.
    place : str
        What says so, for the message.

    Raises
    ------
    ConfigError
        If the shapes differ, or there is no such picture.

    Notes
    -----
    What Pillow does not know, such as a TIFF of five channels, is left to those who read the
    pixels.
    """
    try:
        found = picture_shape(file)
    except ConfigError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return
        raise
    if found != shape:
        raise ConfigError(
            f"the picture {file} is {found[0]} pixels high and {found[1]} wide, but "
            f"{place} is for {shape[0]} x {shape[1]}: these do not belong together"
        )


def unreadable(file: Path, error: OSError) -> ConfigError:
    """Return the error that says why an image file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return ConfigError(f"there is no file {file}, which the data set lists")
    return ConfigError(f"the image {file} cannot be read: {error}")


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no annotation file {file}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as JSON: {error}") from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
