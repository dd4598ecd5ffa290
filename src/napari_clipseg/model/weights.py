"""Where a weights file is, and how it gets onto this machine. No torch.

Only :func:`fetch` uses the network, and only after the licence was accepted. Whatever else
is asked is answered from the disk.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants

from napari_clipseg.errors import UnknownName, WeightsInvalid, WeightsNotFound
from napari_clipseg.model.catalog import (
    BACKBONES,
    HUB_WEIGHTS,
    MODELS,
    Bundled,
    ModelEntry,
    uncatalogued,
)
from napari_clipseg.model.download import Progress, download

CACHE_VARIABLE = "NAPARI_CLIPSEG_CACHE"
OFFLINE_VARIABLES = ("NAPARI_CLIPSEG_OFFLINE", "HF_HUB_OFFLINE")
WEIGHTS_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def locate(
    name_or_path: str | Path, *, offline: bool | None = None, cache: str | Path | None = None
) -> Path:
    """Return the weights file of a model, which has to be on this machine already.

    Parameters
    ----------
    name_or_path : str or Path
        A name of the catalog, a weights file or the folder that holds one, or a hub
        repository (``owner/name``). A :class:`~pathlib.Path` is never taken for a name.
    offline : bool, optional
        Only shapes the advice in the error; see :func:`is_offline`.
    cache : str or Path, optional
        See :func:`cache_folder`.

    Returns
    -------
    Path

    Raises
    ------
    WeightsNotFound
        If it is not here; the message says where was looked and what to do.
    UnknownName
        If it is blank, or neither a name, nor a path, nor looks like a hub repository.
    """
    if isinstance(name_or_path, str):
        entry = _entry(name_or_path)
        if entry is not None:
            found = _find(entry, cache)
            if found is None:
                raise WeightsNotFound(_advice(entry, cache, offline))
            return found
    return _local_file(name_or_path)


def is_present(name: str, *, cache: str | Path | None = None) -> bool:
    """Return whether the weights of a catalog name or hub repository are on this machine."""
    return _find(_known(name), cache) is not None


def fetch(
    name: str,
    *,
    accept: Callable[[ModelEntry], bool],
    progress: Progress | None = None,
    cache: str | Path | None = None,
    offline: bool | None = None,
) -> Path:
    """Return the weights file of a model, fetched from the hub if it is not here yet.

    Parameters
    ----------
    name : str
        A name of the catalog (models and backbones) or a hub repository (``owner/name``).
    accept : callable
        Shown the entry with its licence before anything is fetched. Not called for weights
        that are here already. What it refuses is not fetched.
    progress : callable, optional
        Called with the bytes there are and, where known, the bytes there will be. An
        exception that it raises cancels and reaches the caller.
    cache : str or Path, optional
        See :func:`cache_folder`.
    offline : bool, optional
        See :func:`is_offline`.

    Returns
    -------
    Path

    Raises
    ------
    WeightsNotFound
        If the licence is refused, the network forbidden, or the hub does not deliver.
    WeightsInvalid
        If what came is not what the catalog expects.
    UnknownName
        If there is no model of that name.

    Notes
    -----
    A connection that breaks is taken up again where it broke. Over plain HTTP a cancelled
    transfer ends at once; over the hub's Xet protocol huggingface_hub finishes the file in its
    own thread before the cancellation is seen (``HF_HUB_DISABLE_XET=1`` avoids that).
    """
    entry = _known(name)
    found = _find(entry, cache)
    if found is not None or isinstance(entry.source, Bundled):
        return found or locate(name, cache=cache)
    if is_offline(offline):
        raise WeightsNotFound(_advice(entry, cache, offline))
    if not accept(entry):
        raise WeightsNotFound(
            f"the licence of {entry.name!r} was not accepted, so nothing was fetched"
        )
    path = download(entry.source, cache_folder(cache), progress)
    check_sha256(path, entry.sha256)
    return path


def cache_folder(cache: str | Path | None = None) -> Path:
    """Return the folder for fetched weights.

    Parameters
    ----------
    cache : str or Path, optional
        By default what the environment variable ``NAPARI_CLIPSEG_CACHE`` says, else the
        folder that huggingface_hub uses.

    Returns
    -------
    Path
    """
    chosen = cache or os.environ.get(CACHE_VARIABLE) or constants.HF_HUB_CACHE
    return Path(chosen).expanduser()


def is_offline(offline: bool | None = None) -> bool:
    """Return whether the network must not be used.

    Parameters
    ----------
    offline : bool, optional
        By default whether ``NAPARI_CLIPSEG_OFFLINE`` or ``HF_HUB_OFFLINE`` is set to
        anything but an empty string, 0, no, off or false.
    """
    if offline is not None:
        return offline
    values = (os.environ.get(name, "").strip().lower() for name in OFFLINE_VARIABLES)
    return any(value not in ("", "0", "no", "off", "false") for value in values)


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hub_sha256(path: Path) -> str | None:
    """Return the SHA-256 under which the hub's cache keeps a file, None if it does not say.

    Large files lie in the cache under their own hash, and the names people see link to them.
    """
    name = path.resolve().name
    return name if _SHA256.fullmatch(name) else None


def check_sha256(path: Path, expected: str | None) -> None:
    """Do nothing if a file has the expected hash or none is known.

    Raises
    ------
    WeightsInvalid
        If the hash is another one.
    """
    if expected is None:
        return
    actual = file_sha256(path)
    if actual != expected:
        raise WeightsInvalid(
            f"{path} has SHA-256 {actual} instead of {expected}: it is damaged or was altered. "
            "Delete it and fetch it again."
        )


def _entry(name: str) -> ModelEntry | None:
    """Return what a name stands for, None if it can only be a path."""
    if not name.strip():
        raise UnknownName(
            f"no model is named: give one of {', '.join([*MODELS, *BACKBONES])}, the path of a "
            "weights file, or a hub repository (owner/name)"
        )
    known = MODELS.get(name) or BACKBONES.get(name)
    if known is not None:
        return known
    is_repo = _HUB_NAME.fullmatch(name) and not name.endswith(WEIGHTS_SUFFIXES)
    return uncatalogued(name) if is_repo and not Path(name).exists() else None


def _known(name: str) -> ModelEntry:
    entry = _entry(name)
    if entry is None:
        raise _unknown(name)
    return entry


def _unknown(name: str) -> UnknownName:
    names = [*MODELS, *BACKBONES]
    near = difflib.get_close_matches(name, names)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}."
    return UnknownName(
        f"{name!r} is no model, no weights file or folder, and no hub repository "
        f"(owner/name): {hint}"
    )


def _find(entry: ModelEntry, cache: str | Path | None) -> Path | None:
    if isinstance(entry.source, Bundled):
        path = Path(__file__).parent / entry.source.file
        return path if path.is_file() else None
    for name in entry.source.weights:
        hit = huggingface_hub.try_to_load_from_cache(
            entry.source.repo, name, cache_dir=cache_folder(cache)
        )
        if isinstance(hit, str):  # else None, or a mark that the hub has no such file
            return Path(hit)
    return None


def _advice(entry: ModelEntry, cache: str | Path | None, offline: bool | None) -> str:
    if isinstance(entry.source, Bundled):
        return (
            f"{Path(__file__).parent / entry.source.file}, which comes with the package, is "
            "missing: install napari-clipseg again"
        )
    command = f"`napari-clipseg weights fetch {entry.name}`"
    where = f"the weights of {entry.name!r} are not in {cache_folder(cache)}"
    if is_offline(offline):
        return (
            f"{where} and the network is switched off: run {command} where there is a network "
            f"and bring the folder here, or give the path of a weights file"
        )
    return f"{where}: run {command} to fetch them, or give the path of a weights file"


def _local_file(name_or_path: str | Path) -> Path:
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return _file_in(path)
    if isinstance(name_or_path, str) and len(path.parts) == 1 and not path.suffix:
        raise _unknown(name_or_path)
    raise WeightsNotFound(f"there is no weights file or folder {path.absolute()}")


def _file_in(folder: Path) -> Path:
    """Return the weights file of a folder: one of the hub's names, else the only one."""
    for name in HUB_WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    files = sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS_SUFFIXES)
    if len(files) == 1:
        return files[0]
    found = ", ".join(path.name for path in files) or "none"
    raise WeightsNotFound(
        f"the folder {folder} should hold one weights file ({', '.join(WEIGHTS_SUFFIXES)}), "
        f"found {found}: give the path of the file"
    )
