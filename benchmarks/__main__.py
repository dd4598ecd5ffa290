"""``python -m benchmarks [speed] [memory] [panel]``: measure, print a table, write it as JSON."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch

from benchmarks import memory, panel, speed


def main() -> None:
    """Run the measurements asked for and write them into ``benchmarks/results.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*MEASURES, []], help="default: all")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results.json")
    options = parser.parse_args()
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    results["machine"] = machine()
    for name in options.what or MEASURES:
        results[name] = MEASURES[name].measure()
        options.output.write_text(json.dumps(results, indent=2) + "\n")
        print(MEASURES[name].table(results[name]), end="\n\n", flush=True)


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line.partition(":") for line in info.read_text().splitlines())
        cpu = next((value.strip() for key, _, value in lines if key.startswith("model name")), cpu)
    return {"cpu": cpu, "threads": torch.get_num_threads(), "torch": torch.__version__}


MEASURES: dict[str, Any] = {"speed": speed, "memory": memory, "panel": panel}
"""Name -> module with ``measure()`` and ``table(results)``."""

if __name__ == "__main__":
    main()
