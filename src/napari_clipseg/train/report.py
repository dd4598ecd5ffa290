"""The figures of a model card: a weights file, asked as a user would ask it.

``python -m napari_clipseg.train.report MODEL.safetensors CONFIG.toml --data DIR``
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.engine.features import Features
from napari_clipseg.engine.prompts import MaskPrompt, Prompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.train.config import DataConfig, read_config
from napari_clipseg.train.dataset import DataSet, Scene, read_index
from napari_clipseg.train.validation import Score, Validation, validate

_ABSENT_WORDS = 4
"""Words for absent things that each picture is asked for."""


class Asked:
    """Predicts whole pictures with the engine, tile by tile.

    Parameters
    ----------
    segmenter : Segmenter
    examples : mapping of str to MaskPrompt
        Phrases in whose place a painted example is shown.
    known : dict of int to Features
        Features of scenes by their ``id``; new ones are added.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        examples: Mapping[str, MaskPrompt],
        known: dict[int, Features],
    ) -> None:
        self.segmenter = segmenter
        self.examples = examples
        self.known = known

    def __call__(self, scene: Scene, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Return the probability (P, H, W) of each phrase."""
        prompts: list[Prompt] = [self.examples.get(phrase, phrase) for phrase in phrases]
        if id(scene) not in self.known:
            self.known[id(scene)] = self.segmenter.encode(as_layer(scene))
        return self.known[id(scene)].probability(prompts)


def as_layer(scene: Scene) -> NDArray[np.uint8]:
    """Return the picture as it would be opened: (H, W) if grey, else (H, W, 3)."""
    image = scene.image
    return image[..., 0] if (image[..., :1] == image).all() else image


def examples_of(scenes: Sequence[Scene]) -> dict[str, MaskPrompt]:
    """Return, for the first phrase of each concept, the first picture that shows it."""
    found: dict[str, MaskPrompt] = {}
    for scene in scenes:
        for concept in scene.concepts:
            mask = scene.mask(concept)
            if mask.any() and not mask.all():
                found.setdefault(concept.phrases[0], MaskPrompt(as_layer(scene), mask))
    return found


def report(segmenter: Segmenter, sets: Sequence[DataSet], config: DataConfig) -> str:
    """Return a Markdown table: IoU of each concept by its phrase, and by one example.

    Parameters
    ----------
    segmenter : Segmenter
    sets : sequence of DataSet
        Their ``val.txt`` is measured; examples come from their ``train.txt``.
    config : DataConfig
        Words for absent things.
    """
    pairs = [_both(segmenter, each, config) for each in sets]
    texts, examples = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    rows = [
        _row(*each)
        for text, example in pairs
        for each in zip(text.scores, example.scores, strict=True)
    ]
    area = np.mean([text.absent_area for text in texts])
    return "\n".join(
        [
            "| data set | concept | images | by phrase | by example |",
            "|---|---|---|---|---|",
            *rows,
            f"| mean | | | {_mean(texts):.2f} | {_mean(examples):.2f} |",
            "",
            f"Mean area found for words of absent things: {area:.2%}.",
        ]
    )


def _both(segmenter: Segmenter, each: DataSet, config: DataConfig) -> tuple[Validation, Validation]:
    sources = {each.name: each.scenes("val")}
    known: dict[int, Features] = {}
    asked = Asked(segmenter, {}, known)
    shown = Asked(segmenter, examples_of(each.scenes("train")), known)
    absent = {realm: words[:_ABSENT_WORDS] for realm, words in config.absent.items()}
    by_text = validate(asked, sources, absent, segmenter.threshold)
    return by_text, validate(shown, sources, {}, segmenter.threshold)


def _row(text: Score, example: Score) -> str:
    return (
        f"| {text.source} | {text.concept} | {text.images} | {text.iou:.2f} | {example.iou:.2f} |"
    )


def _mean(validations: Sequence[Validation]) -> float:
    return float(np.nanmean([score.iou for each in validations for score in each.scores]))


def main(arguments: list[str] | None = None) -> None:
    """Print the table for a weights file and the data of a training configuration."""
    parser = argparse.ArgumentParser(prog="python -m napari_clipseg.train.report")
    parser.add_argument("model", help="weights file, or a name of the catalog")
    parser.add_argument("config", type=Path, help="TOML file of the training")
    parser.add_argument("--data", type=Path, required=True, help="data folder with INDEX.json")
    options = parser.parse_args(arguments)
    config = dataclasses.replace(read_config(options.config).data, mosaics={}, synthetic={})
    sets = list(read_index(options.data, config).values())
    print(report(Segmenter(options.model), sets, config))


if __name__ == "__main__":
    main()
