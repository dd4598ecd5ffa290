"""What a JSON value has to look like, and one sentence on where it does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeAlias

Shape: TypeAlias = type | tuple[type, ...] | list[Any] | dict[str, Any]
"""A type or several, ``[shape]`` of all items of a list, or the shape of each field.

A field whose name ends in ``?`` may be missing; fields that are not named may hold anything.
"""

NUMBER = (int, float)

KINDS: Mapping[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object with fields",
    NoneType: "null",
}


class Misshapen(ValueError):
    """A value is not of its shape; the message is a sentence that names the field."""


def check(value: Any, shape: Shape, name: str = "") -> None:
    """Refuse a value that is not of a shape.

    Parameters
    ----------
    value : JSON value
    shape : Shape
    name : str
        Of the field, such as ``settings.tile``; empty for all of a file.

    Raises
    ------
    Misshapen
    """
    if isinstance(shape, dict):
        _check_kind(value, (dict,), name)
        _check_fields(value, shape, name)
    elif isinstance(shape, list):
        _check_kind(value, (list,), name)
        for number, item in enumerate(value):
            check(item, shape[0], f"{name}[{number}]")
    else:
        _check_kind(value, shape if isinstance(shape, tuple) else (shape,), name)


def _check_fields(value: Mapping[str, Any], shape: Mapping[str, Shape], name: str) -> None:
    for declared, inner in shape.items():
        field = declared.removesuffix("?")
        dotted = f"{name}.{field}" if name else field
        if field in value:
            check(value[field], inner, dotted)
        elif field == declared:
            raise Misshapen(f"the field {dotted!r} is missing")


def _check_kind(value: Any, kinds: tuple[type, ...], name: str) -> None:
    # to Python true is a whole number too
    if type(value) in kinds:
        return
    shown = json.dumps(value)
    shown = shown if len(shown) <= 40 else f"{shown[:38]} …"
    where = f"the field {name!r}" if name else "the file"
    wanted = " or ".join(KINDS[kind] for kind in kinds if not (kind is int and float in kinds))
    raise Misshapen(f"{where} holds {shown}, but {wanted} is wanted")
