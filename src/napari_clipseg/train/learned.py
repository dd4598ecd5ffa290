"""What a training run teaches: its phrases, and how near to one of them a text has to be.

``python -m napari_clipseg.train.learned MODEL.safetensors CONFIG.toml ... --data DIR`` writes this
into a weights file that does not say it yet.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from napari_clipseg.errors import ClipSegError
from napari_clipseg.model.checkpoint import load_model, read_metadata, save_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.learned import Learned
from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.config_file import read_config
from napari_clipseg.train.library import build_library
from napari_clipseg.train.network import embed
from napari_clipseg.train.sources import Content

EVERYDAY = (
    *("giraffe", "kangaroo", "elephant", "dog", "horse", "sheep", "cow", "penguin", "butterfly"),
    *("fish", "parrot", "dinosaur", "policeman", "child", "face", "hand", "wedding dress", "car"),
    *("shoe", "hat", "shirt", "jacket", "umbrella", "handbag", "suitcase", "bicycle", "flower"),
    *("motorcycle", "bus", "truck", "train", "airplane", "helicopter", "submarine"),
    *("traffic light", "stop sign", "grand piano", "violin", "guitar", "trumpet", "laptop"),
    *("keyboard", "phone", "television", "camera", "clock", "book", "newspaper", "scissors"),
    *("spoon", "fork", "wine glass", "bottle", "pizza", "sandwich", "apple", "banana", "carrot"),
    *("cake", "chair", "sofa", "bed", "refrigerator", "toothbrush", "teddy bear", "football"),
)
"""Things that no microscope shows."""

LABORATORY = (
    *("kidney", "lung nodule", "heart", "brain tumour", "tooth", "rib", "polyp", "mitochondria"),
    *("chromosomes", "ribosomes", "bacteria", "virus", "yeast", "synapses", "antibody", "DNA"),
)
"""Things that no picture of a street or a landscape shows."""

USUALLY_ABSENT = {"micro": EVERYDAY, "outdoor": LABORATORY}
"""Realm -> words for absent things, where a configuration names none."""

_LEFT_BEHIND = 0.9
"""Share of the unrelated words that a text has to be nearer than to count as learned."""


def shown_phrases(contents: Iterable[Content]) -> tuple[str, ...]:
    """Return all phrases of concepts that at least one of the pictures shows, each once."""
    phrases = (phrase for each in contents for concept in each.seen for phrase in concept.phrases)
    return tuple(dict.fromkeys(phrases))


def learned(model: CLIPSeg, phrases: Sequence[str]) -> Learned:
    """Return what a model has learned once it was trained with phrases.

    Parameters
    ----------
    model : CLIPSeg
        Phrases that it learned before stay learned.
    phrases : sequence of str
        At least one.

    Notes
    -----
    How near is near enough depends on the text tower, so it is measured: a text counts as
    learned where it is nearer to a phrase than nine of ten unrelated words are.
    """
    before = () if model.learned is None else model.learned.phrases
    known = tuple(dict.fromkeys((*before, *phrases)))
    unrelated = [word for word in (*EVERYDAY, *LABORATORY) if word not in known]
    cosines = _units(embed(model, unrelated)) @ _units(embed(model, known)).T
    limit = float(np.quantile(cosines.max(axis=1), _LEFT_BEHIND))
    return Learned(known, round(limit, 3))


def add_to_file(file: Path, phrases: Sequence[str]) -> str:
    """Write what a model learned into its weights file; return the file's new SHA-256.

    Weights and other metadata stay what they are.
    """
    model, metadata = load_model(file), read_metadata(file)
    model.learned = learned(model, phrases)
    save_model(model, file, metadata, dtype=_stored_type(file))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _stored_type(file: Path) -> torch.dtype:
    """Return the type in which a safetensors file keeps its weights."""
    with safe_open(file, framework="pt") as opened:
        stored = opened.get_slice(next(iter(opened.keys()))).get_dtype()
    return torch.float16 if stored == "F16" else torch.float32


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units


def _taught(configs: Iterable[Path], data: Path | None) -> list[str]:
    """Return what trainings teach, or raise :class:`ConfigError` if none shows anything."""
    found: dict[str, None] = {}
    for file in configs:
        config = read_config(file)
        library = build_library(config.data, data, config.seed)
        found.update(dict.fromkeys(shown_phrases(library.contents)))
    if not found:
        raise ConfigError("no picture of these trainings shows a concept: nothing was learned")
    return list(found)


def main(arguments: list[str] | None = None) -> int:
    """Add the phrases of training configurations to a weights file; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        sha256 = add_to_file(options.model, _taught(options.config, options.data))
        found = load_model(options.model).learned
    except (ClipSegError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    assert found is not None
    print(f"{len(found.phrases)} phrases; a text counts as learned from {found.similarity}")
    print(f"{options.model}: size_bytes={options.model.stat().st_size}, sha256={sha256}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m napari_clipseg.train.learned")
    parser.add_argument("model", type=Path, help="weights file, which is replaced")
    parser.add_argument("config", type=Path, nargs="+", help="TOML files of its training")
    parser.add_argument("--data", type=Path, help="data folder with INDEX.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
