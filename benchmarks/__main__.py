"""``python -m benchmarks``: measure, print a table, write it as JSON."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed import measure


def main() -> None:
    """Run all measurements and write ``benchmarks/results.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, alternated")
    parser.add_argument("--side", type=int, default=880, help="side of the image in pixels")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results.json")
    options = parser.parse_args()
    results = {"machine": machine(), "speed": measure(options.rounds, options.side)}
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(table(results))


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line.partition(":") for line in info.read_text().splitlines())
        cpu = next((value.strip() for key, _, value in lines if key.startswith("model name")), cpu)
    return {"cpu": cpu, "threads": torch.get_num_threads(), "torch": torch.__version__}


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| | peer, s/Mpx | ours, s/Mpx | times faster | share of GEMM peak |",
        "|---|---|---|---|---|",
    ]
    for row in results["speed"]["rows"]:
        share = "" if row["gemm_share"] is None else f"{row['gemm_share']:.0%}"
        lines.append(
            f"| {row['name']} | {row['peer_seconds']:.2f} | {row['our_seconds']:.2f} "
            f"| {row['ratio']:.1f} | {share} |"
        )
    for name, agreement in results["speed"]["agreement"].items():
        values = ", ".join(f"{key} {value:.2g}" for key, value in agreement.items())
        lines.append(f"\n{name} against the reference: {values}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
