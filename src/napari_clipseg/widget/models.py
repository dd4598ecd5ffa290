"""The models a person can choose from, and what to do about one that is not here."""

from __future__ import annotations

from pathlib import Path

from napari_clipseg.errors import WeightsNotFound
from napari_clipseg.model.catalog import MODELS, Bundled
from napari_clipseg.model.weights import is_present, locate

WEIGHTS_FILTER = "Weights (*.safetensors *.bin *.pth *.pt)"
"""Filter of the dialog for weights on disk."""


def catalog_choices() -> list[tuple[str, str]]:
    """Return (text, name) for each model of the catalog; the text says whether it is here."""
    return [(name if is_present(name) else f"{name} (not found)", name) for name in MODELS]


def local_choice(path: str) -> tuple[str, str]:
    """Return (text, path) of a weights file; the text names its folder too."""
    return "/".join(Path(path).parts[-2:]), path


def describe(model: str) -> str:
    """Return what a person should know of a model, for a tooltip."""
    entry = MODELS.get(model)
    if entry is None:
        return f"Weights on this computer:\n{model}"
    return f"{entry.summary}\nLicence: {entry.licence}. {entry.licence_note}"


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
            f"{error}. They take {entry.size_bytes / 1e6:.0f} MB. "
            f"Licence: {entry.licence}. {entry.licence_note}"
        ) from error
