"""Peak of memory and work per pixel against the side of an image, each in a process of its own."""

from __future__ import annotations

import dataclasses
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
CHUNK = 512
TILE = ("--tile", "352")
"""CLIPSeg's tile, also for the small model: the number of tiles is that of real work."""

COMPUTED = 64
"""Tiles that the network computes before something of constant time takes its place."""

WATCHED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Runs a command and tells its peak in KiB, start and exit included. It is a small process, since
the peak of a process begins with what the one that started it had in memory."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One run.

    Parameters
    ----------
    name : str
    side : int
        Of the square RGB image, in pixels.
    peak_mb, import_mb : float
        Peak of resident memory, in MiB, of the whole process and when all is imported.
    cpu_seconds : float
        User and system time of the run from its first tile on.
    us_per_pixel : float, optional
        That, in microseconds for each pixel, where the network computed no tile.
    """

    name: str
    side: int
    peak_mb: float
    import_mb: float
    cpu_seconds: float
    us_per_pixel: float | None


def measure(sides: Sequence[int] = SIDES, real_side: int = REAL_SIDE) -> dict[str, Any]:
    """Return the runs with the starter model and those with weights of the real size.

    Notes
    -----
    Something of constant time per tile takes the network's place, see
    :class:`benchmarks.one_run.StandIn`, so that hours become minutes: from the first tile on, or
    once the network has computed :data:`COMPUTED` tiles, so that its own memory counts.
    """
    cases: list[tuple[str, int, Sequence[str], int]] = [
        ("starter", side, TILE, 0) for side in sides
    ]
    with tempfile.TemporaryDirectory() as folder:
        weights = str(_real_weights(Path(folder) / "real.safetensors"))
        for precision in ("float32", "bfloat16"):
            options = ("--precision", precision, "--model", weights)
            name = f"ViT-B/16, {precision}"
            cases.append((name, real_side, options, 0))
            cases.append((f"{name}, {COMPUTED} tiles computed", real_side, options, COMPUTED))
        return {"rows": [dataclasses.asdict(_row(Path(folder), *case)) for case in cases]}


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| run | side, px | peak, MB | of it imports, MB | µs/px |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['name']} | {row['side']} | {row['peak_mb']:.0f} | {row['import_mb']:.0f} "
        f"| {'' if row['us_per_pixel'] is None else format(row['us_per_pixel'], '.3f')} |"
        for row in results["rows"]
    ]
    return "\n".join(lines)


def _row(folder: Path, name: str, side: int, options: Sequence[str], computed: int) -> Row:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        image = _image(Path(work) / "scene.zarr", side)
        run = [sys.executable, "-m", "benchmarks.one_run", image, f"{work}/out", *options]
        command = [sys.executable, "-c", WATCHED, *run, "--computed", str(computed)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    *_, told, peak = done.stdout.splitlines()
    cost = json.loads(told)
    us_per_pixel = None if computed else cost["cpu_seconds"] / side**2 * 1e6
    row = Row(name, side, int(peak) / 1024, **cost, us_per_pixel=us_per_pixel)
    print(row, file=sys.stderr, flush=True)
    return row


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
