"""What fixes a training run, read from one TOML file."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_clipseg.errors import ClipSegError
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.train.prompt_images import PAPERS_CHOICE, VARIANTS


class ConfigError(ClipSegError, ValueError):
    """A training configuration names something unknown or holds an impossible value."""


@dataclasses.dataclass(frozen=True, slots=True)
class DataConfig:
    """Which pictures are learned from, and how their concepts are called.

    Parameters
    ----------
    weights : mapping of str to float
        Data sets of the data folder with their share of the samples, relative to one another.
    mosaics, synthetic : mapping of str to float
        Tile sets and names of ``generated.generators.GENERATORS``, with their shares.
    pool : int
        Generated pictures kept in memory: for each mosaic and synthetic entry together.
    also : mapping of str to mapping
        More phrases of a data set: set -> concept -> phrases.
    background : mapping of str to list of str
        Sets whose unmasked pixels have a name: set -> phrases.
    unlabelled : tuple of str
        Sets in which a pixel without any concept was left out by the annotator and teaches
        nothing.
    upright, invertible, stained : tuple of str
        Sets that may not be turned (up is up), grey sets that may be inverted, and photographs
        of tissue that may be shown in other stains.
    skip : mapping of str to list of str
        Concepts that are left out: set -> concepts.
    lacks : mapping of str to mapping
        Things that a set's pictures never show, though alike ones do: set -> concept -> phrases.
    absent : mapping of str to list of str
        Words for things that pictures of a realm (``"micro"``, ``"outdoor"``) never show; by
        default those of ``learned.USUALLY_ABSENT``.
    """

    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    mosaics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    synthetic: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pool: int = 2000
    also: Mapping[str, Mapping[str, list[str]]] = dataclasses.field(default_factory=dict)
    background: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)
    unlabelled: tuple[str, ...] = ()
    upright: tuple[str, ...] = ()
    invertible: tuple[str, ...] = ()
    stained: tuple[str, ...] = ()
    skip: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)
    lacks: Mapping[str, Mapping[str, list[str]]] = dataclasses.field(default_factory=dict)
    absent: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How a batch is drawn.

    Parameters
    ----------
    batch, prompts, supports : int
        Images per step, prompts per image, and prompts per step given as a picture.
    absent : float
        Share of the prompts that name something absent.
    alien : float
        Cosine similarity of text vectors below which two phrases mean different things.
    mix : float
        Share of the visual prompts that are mixed with the text; the text's weight is U(0, 1).
    text_noise : float
        Length of the noise added to text vectors, relative to theirs: neighbours of a phrase
        learn with it.
    prompt_image : str
        How prompt images point at their object: a name in ``prompt_images.VARIANTS``.
    cycle : int
        Steps after which the same batches come again; 0: never. Where the vision tower is not
        trained, its activations of those batches are computed once and kept.
    """

    batch: int = 8
    prompts: int = 4
    supports: int = 3
    absent: float = 1 / 3
    alien: float = 0.45
    mix: float = 0.4
    text_noise: float = 0.25
    prompt_image: str = PAPERS_CHOICE
    cycle: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class OptimConfig:
    """How weights are moved.

    Parameters
    ----------
    steps, warmup : int
        Length of the run, and of the linear rise of the learning rate before the cosine.
    restarts : tuple of int
        Rising steps between warm-up and end at which the cosine begins anew: what a longer run
        gains after a first one went well.
    rate, final_rate, weight_decay, clip : float
        AdamW's learning rate at its peak and end, its decay, and the largest gradient norm.
    tower, tower_late : float
        Share of the rate for the vision tower, early and late. At the full rate the first steps,
        in which only the mean of the masks is learned, make all tokens of a picture alike, and
        the picture is lost.
    tower_rise : (int, int)
        Steps between which the share rises from the one to the other.
    film : float
        Share of the rate for the weights of FiLM: their inputs, conditional vectors, are long.
    dice, align, contrast : float
        Weights of the losses beside the cross entropy, see ``losses``.
    average : float
        Decay of the moving average of the weights, which is what is saved.
    """

    steps: int = 4000
    warmup: int = 100
    restarts: tuple[int, ...] = ()
    rate: float = 1e-3
    final_rate: float = 1e-5
    tower: float = 0.1
    tower_late: float = 0.4
    tower_rise: tuple[int, ...] = (300, 600)
    film: float = 0.2
    weight_decay: float = 0.02
    clip: float = 1.0
    dice: float = 0.3
    align: float = 0.1
    contrast: float = 0.05
    average: float = 0.998


@dataclasses.dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole training run.

    Parameters
    ----------
    model : ModelConfig
    data : DataConfig
    sampling : SamplingConfig
    optim : OptimConfig
    start : str
        Model to go on from: a weights file or a name of the catalog. Empty: the network starts
        random.
    taken : tuple of str
        How the names of the weights begin that are taken from ``start``; all others start random.
        ``["encoder."]`` is a new decoder on the towers of another model. By default all.
    trained : tuple of str
        How the names of the weights begin that are trained; all others stay as they are.
        ``["decoder."]`` is the paper's setting. By default all but the text tower.
    clip : str
        CLIP's weights for a random start, in the names of open_clip: a file, the folder it is in
        or a hub id that was fetched. Empty: both towers start random.
    text_tower : str
        File that ``python -m napari_clipseg.train.language`` wrote, for a random start. Empty: the
        text tower stays as it is.
    seed : int
    checkpoint_every, validate_every : int
        Steps between checkpoints and between validations.
    device : str
        "auto", "cpu", "cuda", "cuda:1" ... or "mps".
    precision : {"float32", "bfloat16", "float16"}
        Of the multiplications, by autocast; weights, losses and updates stay float32. float16
        needs cuda, since its gradients have to be scaled.
    accumulate : int
        Parts in which a batch is computed, one after the other, which needs less memory and gives
        the same step up to rounding. More are made where memory runs out.
    """

    model: ModelConfig
    data: DataConfig
    sampling: SamplingConfig = SamplingConfig()
    optim: OptimConfig = OptimConfig()
    start: str = ""
    taken: tuple[str, ...] = ("",)
    trained: tuple[str, ...] = ("encoder.clip.visual.", "decoder.")
    clip: str = ""
    text_tower: str = ""
    seed: int = 0
    checkpoint_every: int = 200
    validate_every: int = 500
    device: str = "auto"
    precision: str = "float32"
    accumulate: int = 1

    def __post_init__(self) -> None:
        """Refuse values with which nothing could be learned."""
        positive = {
            "optim.steps": self.optim.steps,
            "sampling.batch": self.sampling.batch,
            "sampling.prompts": self.sampling.prompts,
            "checkpoint_every": self.checkpoint_every,
            "validate_every": self.validate_every,
            "accumulate": self.accumulate,
        }
        for name, value in positive.items():
            if value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        bounds = (self.optim.warmup, *self.optim.restarts, self.optim.steps)
        if self.optim.restarts and any(b <= a for a, b in itertools.pairwise(bounds)):
            raise ConfigError(f"optim.restarts must rise between warmup and steps, not {bounds}")
        if not 0 <= self.sampling.absent < 1:
            raise ConfigError(f"sampling.absent is {self.sampling.absent}; it must be in [0, 1)")
        if self.sampling.supports > self.sampling.batch:
            raise ConfigError("sampling.supports is larger than sampling.batch")
        if self.sampling.prompt_image not in VARIANTS:
            raise ConfigError(
                f"sampling.prompt_image {self.sampling.prompt_image!r} is unknown; "
                f"there are {', '.join(VARIANTS)}"
            )
        if not {**self.data.weights, **self.data.mosaics, **self.data.synthetic}:
            raise ConfigError("[data] names neither weights nor mosaics nor synthetic")


def read_config(file: str | Path) -> TrainConfig:
    """Return the configuration that a TOML file holds.

    A file may name a ``base`` beside it, whose settings hold where it says nothing else.

    Raises
    ------
    ConfigError
        If the file is missing, is no TOML, or holds an unknown name or an impossible value.

    Notes
    -----
    ``clip`` in ``[model]`` may be the name of an architecture of open_clip, such as "ViT-L-14",
    or ``"local-dir:FOLDER"`` with its ``open_clip_config.json``, in place of a table. Without
    ``[model]`` the network is that of ``start``.
    """
    table = _read_table(Path(file))
    if "model" in table or table.get("start"):
        table["model"] = _network(table)
    config: TrainConfig = _build(TrainConfig, table, "")
    return config


def _network(table: Mapping[str, Any]) -> Any:
    """Return the table of the network, with what it only names filled in."""
    # torch and open_clip take seconds to import, and most files name neither
    if "model" not in table:
        from napari_clipseg.model.checkpoint import load_model

        fields = dataclasses.asdict(load_model(str(table["start"])).config)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}
    model = table["model"]
    if isinstance(model, dict) and isinstance(model.get("clip"), str):
        from napari_clipseg.train.backbone import architecture

        return {**model, "clip": architecture(model["clip"])}
    return model


def _read_table(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the training configuration {file} cannot be read: {error}") from error
    base = table.pop("base", None)
    return table if base is None else _overlaid(_read_table(file.with_name(base)), table)


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of both, those of ``above`` where both have one, tables within included."""
    merged = dict(below)
    for key, value in above.items():
        nested = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _overlaid(below[key], value) if nested else value
    return merged


def _build(kind: Any, table: Mapping[str, Any], where: str) -> Any:
    """Make a dataclass of a table, tables within it included."""
    fields = typing.get_type_hints(kind)
    unknown = sorted(set(table) - set(fields))
    if unknown:
        known = ", ".join(fields)
        raise ConfigError(f"{where}{unknown[0]} is not a setting; there are {known}")
    values = {key: _value(fields[key], value, f"{where}{key}") for key, value in table.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"[{where.rstrip('.') or 'top'}] is incomplete: {error}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(kind, _checked(value, dict, where), f"{where}.")
    origin = typing.get_origin(kind) or kind
    if origin is tuple:
        return tuple(_checked(value, list, where))
    if origin is float:
        return float(_checked(value, (int, float), where))
    return _checked(value, dict if origin is Mapping else origin, where)


def _checked(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f"{where} is {value!r}, which has the wrong type")
    return value
