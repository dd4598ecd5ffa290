"""What Run will do, in one sentence, before it is pressed."""

from __future__ import annotations

from napari_clipseg.engine.prompts import quoted
from napari_clipseg.layers.planes import SHOWN
from napari_clipseg.layers.regions import WHOLE
from napari_clipseg.widget.request import RunRequest

MOST_NAMES = 3


def intention(request: RunRequest, ready: bool) -> str:
    """Return what a run of a request will do.

    Parameters
    ----------
    request : RunRequest
    ready : bool
        Whether all it needs is encoded.
    """
    if request.image is None:
        return "Open an image, or choose an image layer."
    if not request.prompts:
        return "Type what to find, and press Enter."
    if ready:
        return f"All is encoded: Run finds {_names(request)}{_planes(request)} at once."
    return f"Run encodes {_where(request)}, then finds {_names(request)}."


def _names(request: RunRequest) -> str:
    names = [quoted(row.title) for row in request.prompts]
    rest = len(names) - MOST_NAMES
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown} and {rest} more" if rest > 0 else shown


def _planes(request: RunRequest) -> str:
    """Return on which planes, where it is not the one that is shown."""
    if isinstance(request.planes, tuple):
        return f" on planes {request.planes[0]} to {request.planes[1] - 1}"
    return "" if request.planes == SHOWN else f" on {request.planes}"


def _where(request: RunRequest) -> str:
    parts = [_planes(request).removeprefix(" on ")] if request.planes != SHOWN else []
    if not isinstance(request.region, str):
        parts.append(f"inside '{request.region.name}'")
    elif request.region != WHOLE:
        parts.append(f"what is {request.region}")
    details = f" ({', '.join(parts)})" if parts else ""
    return f"'{request.image.name}'{details}" if request.image is not None else ""
