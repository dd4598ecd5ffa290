"""napari-clipseg info: what a report of a fault should say of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import click

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


@click.command()
def info() -> None:
    """Show versions, devices, threads and the weights on this machine."""
    for name, value in _facts():
        click.echo(f"{name:18} {value}")


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
