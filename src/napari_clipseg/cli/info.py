"""napari-clipseg info: what a report of a fault should say of the machine."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import click

from napari_clipseg.cli.fields import command, option
from napari_clipseg.cli.options import Model
from napari_clipseg.errors import SettingError

PACKAGES = (
    "napari-clipseg",
    "napari",
    "torch",
    "open_clip_torch",
    "numpy",
    "scikit-image",
    "tifffile",
)


@dataclasses.dataclass(frozen=True, slots=True)
class InfoJob:
    """All that ``info`` was asked to do; each field is the option of its name."""

    model: Model
    prompt: Annotated[
        tuple[str, ...],
        option(
            "Say instead whether the model has learned this; repeatable.",
            "-p",
            multiple=True,
            metavar="TEXT",
        ),
    ]


@command
def info(job: InfoJob) -> None:
    """Show versions, devices and weights, or what a model knows.

    Versions of what is installed, the devices and threads that can be used, and the weights on
    this machine; with --prompt, whether a model has learned what that means.
    """
    for name, value in _known(job) if job.prompt else _facts():
        click.echo(f"{name:18} {value}")


def _known(job: InfoJob) -> Iterator[tuple[str, str]]:
    """Yield each prompt with what a model knows of it."""
    from napari_clipseg.engine.segmenter import Segmenter

    segmenter = Segmenter(job.model, device="cpu")
    for prompt in job.prompt:
        knowledge = segmenter.knows(prompt)
        yield prompt, str(knowledge or f"{job.model} carries no list of what it learned.")


def _facts() -> Iterator[tuple[str, str]]:
    yield "Python", f"{platform.python_version()} on {platform.platform()}"
    for package in PACKAGES:
        yield package, _version(package)
    yield from _machine()
    yield from _weights()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _machine() -> Iterator[tuple[str, str]]:
    from napari_clipseg.engine.devices import DEVICES, choose_device

    usable = []
    for name in DEVICES:
        with contextlib.suppress(SettingError):
            device = str(choose_device(name))
            usable.append(f"auto ({device})" if name == "auto" else name)
    yield "devices", ", ".join(usable)
    threads = os.environ.get("OMP_NUM_THREADS")
    yield "threads", f"OMP_NUM_THREADS={threads}" if threads else f"all of {os.cpu_count()} cores"


def _weights() -> Iterator[tuple[str, str]]:
    from napari_clipseg.model.catalog import BACKBONES, MODELS
    from napari_clipseg.model.weights import cache_folder, is_offline, is_present

    here = [name for name in (*MODELS, *BACKBONES) if is_present(name)]
    yield "weights here", ", ".join(here) or "none"
    yield "weights cache", str(cache_folder())
    yield "network", "switched off" if is_offline() else "used when weights are fetched"
