"""The models and devices a person can choose from, and what to say of each. No torch."""

from __future__ import annotations

import ctypes.util
import platform
import sys
from pathlib import Path

from napari_clipseg.errors import ClipSegError, WeightsNotFound
from napari_clipseg.io.identity import readable_size
from napari_clipseg.model.catalog import MODELS, Bundled
from napari_clipseg.model.weights import cache_folder, is_offline, is_present, locate

WEIGHTS_FILTER = "Weights (*.safetensors *.bin *.pth *.pt)"
"""Filter of the dialog for weights on disk."""

PRECISIONS = ("float32", "bfloat16", "float16")
"""As in :mod:`napari_clipseg.engine.devices`, which imports torch; a test compares them."""


def catalog_choices() -> list[tuple[str, str]]:
    """Return (text, name) for each model of the catalog; the text says whether it is here.

    The text has to fit a narrow dock: sizes are among the :func:`facts`.

    Examples
    --------
    >>> catalog_choices()[0]
    ('starter', 'starter')
    """
    return [(name if is_present(name) else f"{name} (not here)", name) for name in MODELS]


def local_choice(path: str) -> tuple[str, str]:
    """Return (text, path) of a weights file or folder; the text names the folder around it too."""
    return "/".join(Path(path).parts[-2:]), path


def is_here(model: str) -> bool:
    """Return whether the weights of a name or path can be read without the network."""
    try:
        locate(model)
    except ClipSegError:
        return False
    return True


def can_be_fetched(model: str) -> bool:
    """Return whether a model is in the catalog, not here, and the network may be used."""
    entry = MODELS.get(model)
    on_hub = entry is not None and not isinstance(entry.source, Bundled)
    return on_hub and not is_present(model) and not is_offline()


def facts(model: str) -> str:
    """Return in a few words what a model is, its licence, and whether it is on this computer."""
    entry = MODELS.get(model)
    if entry is None:
        return "Weights of your own." if is_here(model) else f"There are no weights in {model}."
    if is_present(model):
        where = "On this computer."
    elif is_offline():
        where = (
            "Not on this computer, and the network is switched off (NAPARI_CLIPSEG_OFFLINE or "
            "HF_HUB_OFFLINE is set): unset it, or choose a weights file."
        )
    else:
        where = f"Not on this computer: Download gets {readable_size(entry.size_bytes)}."
    return f"{entry.summary} Licence: {entry.licence}. {where}"


def licence_note(model: str) -> str:
    """Return what a person has to know before weights are fetched."""
    return MODELS[model].licence_note


def describe(model: str) -> str:
    """Return what a person should know of a model, for a tooltip."""
    entry = MODELS.get(model)
    if entry is None:
        return f"Weights on this computer:\n{model}"
    return (
        f"{entry.summary} {readable_size(entry.size_bytes)}.\n"
        f"Licence: {entry.licence}. {entry.licence_note}\n"
        f"Fetched weights are kept in {cache_folder()}."
    )


def check_present(model: str) -> None:
    """Do nothing if the weights of a model are on this computer.

    Raises
    ------
    WeightsNotFound
        If not; the message says what to do next and under which licence.
    UnknownName
        If there is no such model.
    """
    try:
        locate(model)
    except WeightsNotFound as error:
        entry = MODELS.get(model)
        if entry is None or isinstance(entry.source, Bundled):
            raise
        raise WeightsNotFound(
            f"{error}. In the panel: Model, Download. They take "
            f"{readable_size(entry.size_bytes)}. Licence: {entry.licence}. {entry.licence_note}"
        ) from error


def device_choices() -> list[str]:
    """Return the devices that this machine seems to have, without asking torch.

    A device is offered where its driver is there. Whether torch can use it is known once a run
    asks for it; a run that cannot says so.
    """
    devices = ["auto", "cpu"]
    if ctypes.util.find_library("nvcuda" if sys.platform == "win32" else "cuda"):
        devices.append("cuda")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        devices.append("mps")
    return devices
