"""``python -m benchmarks.one_run``: segment one image as the command line does, tell the cost.

It is a process of its own, because the peak of memory is that of a process.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import torch

from napari_clipseg.cli.run import run_job
from napari_clipseg.cli.segment import segment as segment_command
from napari_clipseg.engine.network import Network


def peak_mb() -> float:
    """Return the peak of resident memory so far in MB (getrusage would count the parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024  # type: ignore[union-attr]


import_mb = peak_mb()
"""Peak of memory in MB when all modules are imported and nothing is done yet."""


def main() -> None:
    """Run and print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("image", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--tile", default="352")
    parser.add_argument("--computed", type=int, default=0, metavar="TILES")
    options = parser.parse_args()
    stand_in = StandIn(options.computed)
    stand_in.put_in_place()
    arguments = [str(options.image), "--prompt", "nuclei", "--output", str(options.output)]
    arguments += ["--model", options.model, "--precision", options.precision, "--device", "cpu"]
    arguments += ["--tile", options.tile]
    arguments += ["--format", "zarr", "--probability", "uint8"]
    segment_command.main(arguments, standalone_mode=False)
    seconds = time.process_time() - stand_in.first_tile
    print(json.dumps({"cpu_seconds": seconds, "import_mb": import_mb}))


class StandIn:
    """Something of constant time in the place of the network once it has computed some tiles.

    So the network's own memory counts, and hours become minutes. What is left then is all that
    is done around it: reading, tiling, blending, writing, labels and their pyramid.

    Parameters
    ----------
    computed : int
        Tiles that the network computes first.

    Attributes
    ----------
    first_tile : float
        Processor time when the first tile was to be computed: what is done once for a run,
        such as loading the model, was before.
    """

    def __init__(self, computed: int) -> None:
        self.first_tile = 0.0
        self._computed, self._tiles = computed, 0

    def put_in_place(self) -> None:
        """Let every network of this process ask this one first."""
        encode_truly, decode_truly = Network.encode, Network.decode

        def encode(network: Network, rgb: torch.Tensor) -> torch.Tensor:
            self.first_tile = self.first_tile or time.process_time()
            self._tiles += len(rgb)
            return encode_truly(network, rgb) if self._truly() else _encode(network, rgb)

        def decode(network: Network, *given: Any) -> torch.Tensor:
            return decode_truly(network, *given) if self._truly() else _decode(network, *given)

        Network.encode, Network.decode = encode, decode  # type: ignore[method-assign]

    def _truly(self) -> bool:
        return self._tiles <= self._computed


def _encode(network: Network, rgb: torch.Tensor) -> torch.Tensor:
    config = network.config
    tokens = 1 + (rgb.shape[-1] // config.patch) ** 2
    return torch.zeros(len(rgb), len(config.extract_layers), tokens, config.reduce_dim)


def _decode(
    network: Network, reduced: torch.Tensor, conditional: torch.Tensor, grid: tuple[int, int]
) -> torch.Tensor:
    sides = [each * network.config.patch for each in grid]
    waves = [torch.sin(torch.arange(side) * 0.05) for side in sides]
    return (4 * waves[0][:, None] * waves[1] - 2).expand(len(reduced), len(conditional), -1, -1)


assert run_job  # imported with the command: what it needs counts as import
if __name__ == "__main__":
    main()
