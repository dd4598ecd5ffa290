"""``python -m benchmarks.kill``: kill a run ten times at random, let it go on, compare the results.

The process gets SIGKILL, which it cannot notice, while it is under way: earlier or later kills do
not count. The last run ends by itself; every pixel it wrote must be that of a run which nobody
disturbed.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.speed import scene
from napari_clipseg.io.opening import open_image
from napari_clipseg.io.tiff import write_tiff

RUN = "from napari_clipseg.cli import main; main()"
UNDISTURBED = "undisturbed"
POLL_SECONDS = 0.01
ATTEMPTS = 5
"""Chains that are tried, each with half the time before a kill of the one before."""


@dataclasses.dataclass(slots=True)
class Chain:
    """Runs of the same command line, one killed after the other, until one may end.

    Parameters
    ----------
    folder : Path
        Holds the scene; results and features come here.
    name : str
        Of the folder for results.
    kills : int
        SIGKILLs that were delivered while a run was under way.
    """

    folder: Path
    name: str
    kills: int = 0

    def kill_one(self, seconds: float) -> bool:
        """Start a run and kill it some seconds after it began; return False if it had ended."""
        process = _start(self.folder, self.name)
        if not _is_under_way(self.folder, self.name, process):
            return False
        try:
            process.wait(seconds)
            return False
        except subprocess.TimeoutExpired:
            process.kill()
        if process.wait() != -signal.SIGKILL:
            return False
        self.kills += 1
        return True

    def killed(self, times: int, moments: Callable[[], float]) -> bool:
        """Return whether so many runs were killed before one ended."""
        return all(self.kill_one(moments()) for _ in range(times))


def main() -> None:
    """Kill, go on, compare, and say what was seen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiff(folder / "scene.tif", scene(options.side)[..., 0])
        seconds = _undisturbed(folder)
        chain = _chain(folder, options.times, seconds, random.Random(options.seed))
        assert _start(folder, chain.name).wait() == 0, "the last run failed"
        same = _results(folder / UNDISTURBED) == _results(folder / chain.name)
    print(f"undisturbed: under way for {seconds:.1f} s; ", end="")
    print(f"{chain.kills} runs killed while under way, then one that ended; ", end="")
    print("the results are identical" if same else "THE RESULTS DIFFER")
    sys.exit(not same)


def _undisturbed(folder: Path) -> float:
    """Return the seconds that a run which nobody disturbs is under way."""
    process = _start(folder, UNDISTURBED)
    assert _is_under_way(folder, UNDISTURBED, process), "the undisturbed run did nothing"
    started = time.perf_counter()
    assert process.wait() == 0, "the undisturbed run failed"
    return time.perf_counter() - started


def _chain(folder: Path, times: int, seconds: float, random: random.Random) -> Chain:
    """Return a chain that was killed so often; one of which a run ended is begun anew.

    A run that goes on has less to do than the one before, so each gets a share of the time,
    which is halved with every chain.
    """
    for attempt in range(ATTEMPTS):
        share = 2 * seconds / times / 2**attempt
        chain = Chain(folder, f"killed-{attempt}")
        if chain.killed(times, lambda share=share: random.uniform(0, share)):
            return chain
        print(f"a run ended after {chain.kills} kills; a new chain begins", flush=True)
    raise SystemExit(f"in {ATTEMPTS} chains a run ended before {times} were killed")


def _is_under_way(folder: Path, output: str, process: subprocess.Popen[bytes]) -> bool:
    """Return True once a run has made its working folder anew, before its first tile.

    False if it found nothing to do: the run before was killed after its results were complete.
    """
    part, started = folder / output / ".scene.tif.part", time.time_ns()
    while _made(part) <= started:
        if process.poll() is not None:
            assert process.returncode == 0, "a run failed"
            return False
        time.sleep(POLL_SECONDS)
    return True


def _made(folder: Path) -> int:
    """Return when a folder last changed, in ns; 0 if it is not there."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _start(folder: Path, output: str) -> subprocess.Popen[bytes]:
    """Start the command line on the scene, with features that a stopped run goes on from."""
    command = [sys.executable, "-c", RUN, "segment", str(folder / "scene.tif")]
    command += ["--prompt", "nuclei", "--output", str(folder / output), "--resume"]
    command += ["--features", str(folder / f"{output}.features"), "--device", "cpu"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _results(folder: Path) -> dict[str, bytes]:
    images = sorted(folder.glob("*.tif"))
    assert len(images) == 2, f"{folder} holds {len(images)} images"
    return {each.name: np.asarray(open_image(each).data).tobytes() for each in images}


if __name__ == "__main__":
    main()
