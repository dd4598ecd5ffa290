"""Fetches the weights of one model: ``python -m napari_clipseg.widget.fetch_process NAME``.

A process of its own, so that it can be ended at once: a thread in the middle of a transfer
cannot. Writes one JSON object a line: ``{"done": bytes, "total": bytes or null}`` while it
goes on, and at the end ``{"path": ...}`` or ``{"error": ...}``.
"""

from __future__ import annotations

import json
import sys

from huggingface_hub import constants

from napari_clipseg.errors import ClipSegError
from napari_clipseg.model.weights import fetch

CHUNK_BYTES = 1_000_000
"""Bytes between two lines; huggingface_hub's own ten megabytes are long on a slow line."""


def main(name: str) -> int:
    """Fetch the weights of a model whose licence the person has accepted; return the exit code."""
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK_BYTES
    try:
        path = fetch(name, accept=lambda entry: True, progress=_tell_progress)
    except (ClipSegError, OSError) as error:
        _tell(error=str(error))
        return 1
    _tell(path=str(path))
    return 0


def _tell_progress(done: int, total: int | None) -> None:
    _tell(done=done, total=total)


def _tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
