"""``python -m benchmarks.kill``: kill a run ten times at random, let it go on, compare the results.

The process gets SIGKILL, which it cannot notice. The last run ends by itself; every pixel it
wrote must be that of a run which nobody disturbed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.speed import scene
from napari_clipseg.io.opening import open_image
from napari_clipseg.io.tiff import write_tiff

RUN = "from napari_clipseg.cli import main; main()"


def main() -> None:
    """Kill, go on, compare, and say what was seen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiff(folder / "scene.tif", scene(options.side)[..., 0])
        started = time.perf_counter()
        _start(folder, "undisturbed").wait()
        seconds = time.perf_counter() - started
        killed = [_killed(folder, moments.uniform(0.2, 1) * seconds) for _ in range(options.times)]
        assert _start(folder, "killed").wait() == 0, "the last run failed"
        same = _results(folder / "undisturbed") == _results(folder / "killed")
    print(f"undisturbed: {seconds:.1f} s; killed {sum(killed)} of {options.times} runs; ", end="")
    print("the results are identical" if same else "THE RESULTS DIFFER")
    sys.exit(not same)


def _start(folder: Path, output: str) -> subprocess.Popen[bytes]:
    """Start the command line on the scene, with features that a stopped run goes on from."""
    command = [sys.executable, "-c", RUN, "segment", str(folder / "scene.tif")]
    command += ["--prompt", "nuclei", "--output", str(folder / output), "--resume"]
    command += ["--features", str(folder / f"{output}.features"), "--device", "cpu"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _killed(folder: Path, seconds: float) -> bool:
    """Return whether a run was killed before it ended."""
    process = _start(folder, "killed")
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True


def _results(folder: Path) -> dict[str, bytes]:
    images = sorted(folder.glob("*.tif"))
    assert len(images) == 2, f"{folder} holds {len(images)} images"
    return {each.name: np.asarray(open_image(each).data).tobytes() for each in images}


if __name__ == "__main__":
    main()
