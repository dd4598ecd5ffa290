"""The command line. Only click is imported here; each command imports what it needs when run."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import click

from napari_clipseg import __version__
from napari_clipseg.cli.demo import demo
from napari_clipseg.cli.evaluate import evaluate
from napari_clipseg.cli.features import features
from napari_clipseg.cli.info import info
from napari_clipseg.cli.segment import SomeFailed, segment
from napari_clipseg.cli.study import study
from napari_clipseg.cli.train import train
from napari_clipseg.cli.weights import weights
from napari_clipseg.errors import ClipSegError

BAD_INPUT = 2
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
"""Exit codes of a program that Ctrl-C or ``kill`` ended, as a shell gives them."""


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__)
@click.pass_context
def commands(context: click.Context) -> None:
    """Segment images by a text prompt or a painted example, with CLIPSeg."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (segment, features, weights, demo, info, train, evaluate, study):
    commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    The code is 0, 1 if some of several images failed, 2 on bad input, 130 after Ctrl-C, 143
    after a SIGTERM. In all cases no half-written file is left.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.
    """
    try:
        with _clearing_up():
            commands.main(arguments, prog_name="napari-clipseg", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):
            # click takes a file that ends too early for a person who leaves: nothing here asks one
            raise error.__cause__ from None
        _leave("stopped", INTERRUPTED)
    except SomeFailed as error:
        _leave(error.format_message(), error.exit_code)
    except click.ClickException as error:
        _leave(error.format_message(), BAD_INPUT)
    except (ClipSegError, OSError) as error:
        _leave(str(error), BAD_INPUT)
    except MemoryError as error:
        _leave(f"there is too little memory, a smaller --tile needs less: {error}", BAD_INPUT)
    sys.exit(0)


@contextmanager
def _clearing_up() -> Iterator[None]:
    """Let a SIGTERM, with which schedulers end a job, unwind the program like an error."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(message: str, code: int) -> NoReturn:
    """Say one line on stderr and exit."""
    click.echo(f"napari-clipseg: {' '.join(message.split())}", err=True)
    sys.exit(code)
