"""One model from several that went on from the same one: the mean of their weights.

``python -m napari_clipseg.train.soup A.safetensors B.safetensors --output C.safetensors``

References
----------
Wortsman et al. 2022, Model soups, arXiv 2203.05482: such a mean is often better than each of them
and costs no more to run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from napari_clipseg.errors import ClipSegError
from napari_clipseg.model.checkpoint import load_model, read_metadata, save_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.learned import learned


def averaged(files: Sequence[Path]) -> CLIPSeg:
    """Return the model whose weights are the mean of those in files.

    It has learned what any of them has.

    Parameters
    ----------
    files : sequence of Path
        Weights files of one network, at least one.

    Raises
    ------
    ConfigError
        If they are not of one network.
    WeightsNotFound, WeightsInvalid
        If a file cannot be read.
    """
    first, *others = [load_model(file) for file in files]
    for file, other in zip(files[1:], others, strict=True):
        if other.config != first.config:
            raise ConfigError(f"{file} holds another network than {files[0]}")
        if other.learned is not None:
            first.learned = learned(first, other.learned.phrases)
    sources = [dict(each.named_parameters()) for each in others]
    with torch.no_grad():
        for name, value in first.named_parameters():
            value.copy_(torch.stack([value, *(source[name] for source in sources)]).mean(0))
    return first


def write_average(files: Sequence[Path], output: Path) -> None:
    """Write the mean of models, with the record of the first and the hashes of all.

    Raises
    ------
    ConfigError, WeightsNotFound, WeightsInvalid
        As for :func:`averaged`.
    OutputError
        If it cannot be written.
    """
    model, record = averaged(files), read_metadata(files[0])
    told = ("steps", "seed", "training", "data")
    kept: dict[str, str] = {key: record[key] for key in told if key in record}
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    save_model(model, output, {**kept, "averaged": json.dumps(hashes)}, dtype=torch.float16)


def main(arguments: list[str] | None = None) -> int:
    """Average weights files from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m napari_clipseg.train.soup")
    parser.add_argument("model", type=Path, nargs="+", help="weights files of one network")
    parser.add_argument("--output", type=Path, required=True, help="weights file to write")
    options = parser.parse_args(arguments)
    try:
        write_average(options.model, options.output)
    except ClipSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
