"""``python -m benchmarks.one_run``: segment one image as the command line does, tell the cost.

It is a process of its own, because the peak of memory is that of a process.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path

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
    parser.add_argument("--stand-in", action="store_true")
    options = parser.parse_args()
    if options.stand_in:
        stand_in()
    arguments = [str(options.image), "--prompt", "nuclei", "--output", str(options.output)]
    arguments += ["--model", options.model, "--precision", options.precision, "--device", "cpu"]
    arguments += ["--tile", options.tile]
    arguments += ["--format", "zarr", "--probability", "uint8"]
    start = time.perf_counter()
    segment_command.main(arguments, standalone_mode=False)
    told = {
        "seconds": time.perf_counter() - start,
        "import_mb": import_mb,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(told))


def stand_in() -> None:
    """Put something that takes the same short time for each tile in the place of the network.

    What is left is all that is done around it: reading, tiling, blending, writing, labels and
    their pyramid. The weights are loaded and the text is encoded all the same.
    """

    def encode(network: Network, rgb: torch.Tensor) -> torch.Tensor:
        config = network.config
        tokens = 1 + (rgb.shape[-1] // config.patch) ** 2
        return torch.zeros(len(rgb), len(config.extract_layers), tokens, config.reduce_dim)

    def decode(
        network: Network, reduced: torch.Tensor, conditional: torch.Tensor, grid: tuple[int, int]
    ) -> torch.Tensor:
        sides = [each * network.config.patch for each in grid]
        waves = [torch.sin(torch.arange(side) * 0.05) for side in sides]
        return (4 * waves[0][:, None] * waves[1] - 2).expand(len(reduced), len(conditional), -1, -1)

    Network.encode, Network.decode = encode, decode  # type: ignore[method-assign]


assert run_job  # imported with the command: what it needs counts as import
if __name__ == "__main__":
    main()
