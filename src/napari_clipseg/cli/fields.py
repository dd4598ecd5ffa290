"""A command as a job: a dataclass of which every field is declared as an option or an argument.

``min_size: Annotated[int, option("Drop objects of fewer pixels.", type=int, default=0)]`` is the
option ``--min-size``: what it is called, what it takes and what becomes of it stand in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import click

Job = TypeVar("Job")

Declared = Callable[[str], click.Parameter]
"""The name of a field -> its option or argument."""

PATH = click.Path(path_type=Path)


def option(text: str, *short: str, **settings: Any) -> Declared:
    """Declare a field as an option.

    Parameters
    ----------
    text : str
        Its help.
    short : str
        Names beside that of the field, such as ``"-p"``.
    settings
        Those of :class:`click.Option`.
    """

    def declared(name: str) -> click.Option:
        return click.Option([f"--{name.replace('_', '-')}", *short], help=text, **settings)

    return declared


def argument(metavar: str, **settings: Any) -> Declared:
    """Declare a field as a path, or several, with the settings of :class:`click.Argument`."""
    return lambda name: click.Argument([name], metavar=metavar, type=PATH, **settings)


def command(run: Callable[[Job], object]) -> click.Command:
    """Return the command that makes a job of what was typed and runs it.

    Parameters
    ----------
    run : callable
        Takes ``job``, a dataclass whose fields are declared in the order in which help shows
        them. Its name and what it says of itself are the command's. What takes long to import
        it imports when it is called.
    """
    job = get_type_hints(run)["job"]
    hints = get_type_hints(job, include_extras=True)
    return click.Command(
        run.__name__.replace("_", "-"),
        params=[hint.__metadata__[0](name) for name, hint in hints.items()],
        callback=lambda **given: run(job(**given)),
        help=run.__doc__,
    )
