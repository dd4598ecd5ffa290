"""``python -m napari_clipseg.train CONFIG.toml --data DIR --output DIR [--resume]``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from napari_clipseg.errors import ClipSegError
from napari_clipseg.train.config import read_config
from napari_clipseg.train.loop import train


def main(arguments: list[str] | None = None) -> int:
    """Train from the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        config = read_config(options.config)
        result = train(config, options.output, data=options.data, resume=options.resume)
    except ClipSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(result.weights)
    print(result.validation.table())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m napari_clipseg.train", description="Train a CLIPSeg model."
    )
    parser.add_argument("config", type=Path, help="TOML file, see docs/training.md")
    parser.add_argument("--data", type=Path, help="data folder with INDEX.json")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    return parser


if __name__ == "__main__":
    sys.exit(main())
