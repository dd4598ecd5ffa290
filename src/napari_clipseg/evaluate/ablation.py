"""What each part of the method is worth: the same training with one thing changed.

A new change is an entry of :data:`ABLATIONS` at the bottom.

References
----------
Lüddecke & Ecker 2022, arXiv 2112.10003, section 5.5: no CLIP pre-training, no negatives, no visual
prompts, D = 16, one layer, and "highlight mask" for the prompt image.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_clipseg.atomic import atomic_path
from napari_clipseg.errors import UnknownName
from napari_clipseg.model.checkpoint import read_metadata
from napari_clipseg.train.config import TrainConfig
from napari_clipseg.train.loop import StepDone, train
from napari_clipseg.train.record import chosen
from napari_clipseg.train.run_folder import LAST
from napari_clipseg.train.validation import share

Change = Callable[[TrainConfig], TrainConfig]


@dataclasses.dataclass(frozen=True, slots=True)
class Ablated:
    """What one changed training came to.

    Parameters
    ----------
    name : str
        Name in :data:`ABLATIONS`.
    steps : int
    iou : float
        Mean IoU over all concepts of the validation pictures, by phrase; nan without masks.
    absent_area : float
        Mean share of pixels found for words of absent things; nan where none was asked for.
    """

    name: str
    steps: int
    iou: float
    absent_area: float


def ablations(config: TrainConfig, names: Sequence[str]) -> dict[str, TrainConfig]:
    """Return the trainings of a study, by name.

    Parameters
    ----------
    config : TrainConfig
        The training as it is meant. Where it starts from a model, all trainings take that
        model's towers and begin with a random decoder, so that they can be compared.
    names : sequence of str
        Names in :data:`ABLATIONS`; all if there is none.

    Raises
    ------
    UnknownName
        If there is no such change.
    ConfigError
        If a change does not go with the configuration.
    """
    for name in names:
        if name not in ABLATIONS:
            raise UnknownName(f"ablation {name!r} is unknown; there are {', '.join(ABLATIONS)}")
    towers = dataclasses.replace(config, taken=("encoder.",)) if config.start else config
    return {name: ABLATIONS[name](towers) for name in names or ABLATIONS}


def ablate(
    name: str,
    training: TrainConfig,
    output: Path,
    data: Path | None,
    watch: Callable[[StepDone], object] = lambda done: None,
) -> Path:
    """Train in a folder of its own; return the weights.

    A training that was stopped goes on, one that is done is not done again.

    Parameters
    ----------
    name, training : str, TrainConfig
        From :func:`ablations`.
    output : Path
        Existing folder.
    data : Path or None
        Data folder.
    watch : callable
        Called after every step.
    """
    return train(training, _folder(output, name), data=data, resume=True, watch=watch).weights


def ablated(config: TrainConfig, output: Path, weights: Path) -> tuple[Ablated, ...]:
    """Return what all trainings of a study came to, those of earlier commands included.

    Parameters
    ----------
    config : TrainConfig
        As for :func:`ablations`.
    output : Path
        As for :func:`ablate`.
    weights : Path
        Of one training of the study: one on other pictures is not part of it.

    Raises
    ------
    WeightsInvalid
        If a weights file is damaged.
    """
    data, found = read_metadata(weights)["data"], []
    for name in ABLATIONS:
        file = _folder(output, name) / LAST
        if file.exists():
            notes, (training,) = read_metadata(file), ablations(config, [name]).values()
            same = json.dumps(chosen(training))
            if (notes.get("training"), notes.get("data")) == (same, data):
                found.append(_read(name, notes))
    return tuple(found)


def _folder(output: Path, name: str) -> Path:
    return output / re.sub(r"\W+", "-", name)


def _read(name: str, notes: Mapping[str, str]) -> Ablated:
    scores = json.loads(notes["validation"])
    values = (math.nan if scores[key] is None else scores[key] for key in ("iou", "absent"))
    return Ablated(name, int(notes["steps"]), *values)


def write_ablations(results: Sequence[Ablated], output: Path) -> str:
    """Write ``ablation.json`` and ``ablation.md``; return the latter, a table.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    rows = [f"| {r.name} | {r.steps} | {r.iou:.3f} | {share(r.absent_area)} |" for r in results]
    head = ["| training | steps | IoU | area found for absent things |", "|---|---|---|---|"]
    table = "\n".join([*head, *rows])
    values = json.dumps([_values(each) for each in results], indent=2, allow_nan=False)
    for name, text in {"ablation.md": table, "ablation.json": values}.items():
        with atomic_path(output / name) as unfinished:
            unfinished.write_text(f"{text}\n", encoding="utf-8")
    return table


def _values(result: Ablated) -> dict[str, Any]:
    """Return what stands in the file: null for what is not a number, which JSON does not have."""
    values = dataclasses.asdict(result)
    return {key: None if value != value else value for key, value in values.items()}


def _untaught(config: TrainConfig) -> TrainConfig:
    """Start the vision tower at random and train it; the text tower stays that of the training."""
    trained = ("encoder.clip.visual.", "decoder.")
    if config.start:
        towers = ("encoder.clip.token_embedding.", "encoder.clip.positional_embedding")
        text = (*towers, "encoder.clip.transformer.", "encoder.clip.ln_final.")
        taken = (*text, "encoder.clip.text_projection")
        return dataclasses.replace(config, taken=taken, trained=trained)
    return dataclasses.replace(config, clip="", trained=trained)


def _sampled(**changes: Any) -> Change:
    def change(config: TrainConfig) -> TrainConfig:
        return dataclasses.replace(config, sampling=dataclasses.replace(config.sampling, **changes))

    return change


def _built(**changes: Any) -> Change:
    def change(config: TrainConfig) -> TrainConfig:
        return dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))

    return change


def _one_layer(config: TrainConfig) -> TrainConfig:
    deepest = max(config.model.extract_layers)
    return _built(extract_layers=(deepest,), conditional_layer=0)(config)


ABLATIONS: dict[str, Change] = {
    "as it is": lambda config: config,
    "no CLIP pre-training": _untaught,
    "no negatives": _sampled(absent=0.0),
    "half the negatives": lambda config: _sampled(absent=config.sampling.absent / 2)(config),
    "no visual prompts": _sampled(supports=0),
    "D = 16": _built(reduce_dim=16),
    "one layer": _one_layer,
    "FiLM with an MLP": _built(film="mlp"),
    "two more blocks": _built(extra_blocks=2),
    "prompt image: crop only": _sampled(prompt_image="crop"),
    "prompt image: background dimmed only": _sampled(prompt_image="background 10 %"),
    "prompt image: red outline": _sampled(prompt_image="red outline"),
}
"""Name -> how the training's configuration is changed."""
