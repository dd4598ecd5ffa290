"""Peak of memory and time per pixel against the side of an image, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr

from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.config import ModelConfig

SIDES = (2048, 4096, 8192, 16384, 32768)
REAL_SIDE = 16384
SMALL_SIDE = 880
CHUNK = 512
TILE = ("--tile", "352")
"""CLIPSeg's tile, also for the small model: the number of tiles is that of real work."""


def measure(sides: Sequence[int] = SIDES, real_side: int = REAL_SIDE) -> dict[str, Any]:
    """Return the runs with the starter model and those with weights of the real size.

    Notes
    -----
    All weights are loaded and the prompt is encoded. Then a stand-in of constant time per tile
    takes the network's place, see :func:`benchmarks.one_run.stand_in`, so that hours become
    minutes; the ``with the network`` runs, on a small image, show what its computation adds.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        weights = _real_weights(Path(folder) / "real.safetensors")
        for side in sides:
            rows.append(_row(Path(folder), "starter, stand-in", side, ["--stand-in", *TILE]))
        real = ["--model", str(weights)]
        for precision in ("float32", "bfloat16"):
            name, options = f"ViT-B/16, {precision}", [*real, "--precision", precision]
            loaded = [*options, "--stand-in"]
            rows.append(_row(Path(folder), f"{name}, stand-in", real_side, loaded))
            rows.append(_row(Path(folder), f"{name}, with the network", SMALL_SIDE, options))
    return {"rows": rows}


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| run | side, px | peak, MB | of it imports, MB | seconds | s/Mpx |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        megapixels = row["side"] ** 2 / 1e6
        lines.append(
            f"| {row['name']} | {row['side']} | {row['peak_mb']:.0f} | {row['import_mb']:.0f} "
            f"| {row['seconds']:.0f} | {row['seconds'] / megapixels:.3f} |"
        )
    return "\n".join(lines)


def _row(folder: Path, name: str, side: int, options: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        image = _image(Path(work) / "scene.zarr", side)
        command = [sys.executable, "-m", "benchmarks.one_run", image, f"{work}/out", *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return {"name": name, "side": side, **told}


def _image(folder: Path, side: int) -> str:
    """Return a zarr array (side, side, 3) uint8 whose whole chunks are one file, linked."""
    rng = np.random.default_rng(0)
    array = zarr.create_array(
        folder, shape=(side, side, 3), chunks=(CHUNK, CHUNK, 3), dtype=np.uint8
    )
    count = -(-side // CHUNK)
    array[:CHUNK, :CHUNK] = rng.integers(0, 256, (min(side, CHUNK),) * 2 + (3,)).astype(np.uint8)
    first = folder / "c" / "0" / "0" / "0"
    for row in range(count):
        for column in range(count):
            chunk = folder / "c" / str(row) / str(column) / "0"
            chunk.parent.mkdir(parents=True, exist_ok=True)
            if chunk != first:
                os.link(first, chunk)
    return str(folder)


def _real_weights(path: Path) -> Path:
    torch.manual_seed(0)
    save_model(CLIPSeg(ModelConfig()), path, {})
    return path
