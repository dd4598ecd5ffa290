"""What fixes a training run; ``config_file`` reads it from TOML.

Each dataclass refuses values with which nothing could be learned: see ``config_checks``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from napari_clipseg.errors import ClipSegError
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.train.config_checks import (
    augment_faults,
    data_faults,
    optim_faults,
    sampling_faults,
    train_faults,
)
from napari_clipseg.train.prompt_images import PAPERS_CHOICE


class ConfigError(ClipSegError, ValueError):
    """A training configuration names something unknown or holds an impossible value."""


def _refuse(faults: Iterator[str]) -> None:
    """Raise the first of what is wrong, if anything is."""
    for fault in faults:
        raise ConfigError(fault)


@dataclasses.dataclass(frozen=True, slots=True)
class AnnotatedConfig:
    """One data set in a published format.

    Parameters
    ----------
    format : str
        A name of ``readers.formats.READERS``.
    folder : str
        Where it is, relative to the data folder.
    share : float
        Share of the samples, relative to the other sources.
    train, val : str
        Splits that are trained on and validated on; ``val`` may be empty.
    realm : str
        As in ``dataset.Scene``: decides which words are absent.
    """

    format: str
    folder: str
    share: float = 1.0
    train: str = "train"
    val: str = "val"
    realm: str = "photo"


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
    annotated : mapping of str to AnnotatedConfig
        Data sets in published formats, by a name of your own.
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
    annotated: Mapping[str, AnnotatedConfig] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        _refuse(data_faults(self))


@dataclasses.dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How a picture becomes a square, by default as microscopy and aerial images need it.

    ``examples/phrasecut.toml`` turns off all that the paper does not do.

    Parameters
    ----------
    crop : {"scaled", "largest"}
        "scaled": a square at a random magnification. "largest": the largest square that fits, at
        a random place; of up to 50 places the first where more than 5 % are masked, as in the
        authors' ``find_crop``.
    scales : (float, float)
        Smallest and largest magnification, drawn evenly on a logarithmic scale.
    native : float
        Share of the scaled squares that keep the picture's own resolution.
    on_object : float
        Share of the scaled squares that are cut so that they show some of the concept.
    turned : bool
        Whether squares are turned by a random multiple of 90 degrees, but for upright sets.
    mirrored : float
        Share that is mirrored.
    full_range, moved : float
        Share that is seen through the full range of the file, and through the picture's contrast
        window with both ends moved; all others are seen through that window.
    gamma : float
        Share whose brightness is bent by a power.
    tinted, grey : float
        Share whose colours are changed, and among them those that are made grey.
    inverted, restained : float
        Share of the invertible, and of the stained sets.
    blurred, noisy : float
        Share that is blurred, and that gets noise.
    """

    crop: str = "scaled"
    scales: tuple[float, ...] = (0.5, 2.0)
    native: float = 0.35
    on_object: float = 0.8
    turned: bool = True
    mirrored: float = 0.5
    full_range: float = 0.2
    moved: float = 0.4
    gamma: float = 0.4
    tinted: float = 0.35
    grey: float = 0.08
    inverted: float = 0.12
    restained: float = 0.6
    blurred: float = 0.2
    noisy: float = 0.25

    def __post_init__(self) -> None:
        _refuse(augment_faults(self))


@dataclasses.dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How a batch is drawn, by default with the shares of the paper's PC+ (its section 4).

    Parameters
    ----------
    batch, prompts, supports : int
        Images per step, prompts per image, and prompts per step given as a picture.
    absent : float
        Share of the prompts that name something absent.
    alien : float
        Cosine similarity of text vectors below which two phrases mean different things.
    templates : str
        Sentences around a phrase: a name in ``engine.templates.TEMPLATES``. One is drawn for
        each prompt.
    mix : float
        Share of the visual prompts that are mixed with the text.
    text_share : (float, float)
        The text's share of such a mix is drawn evenly between these. The authors' configuration
        has 0 to 0.5, the paper says 0 to 1.
    own_support : float
        Share of the visual prompts that are cut from the same picture. Where it is 0, a concept
        that only one picture shows is never asked for by a picture.
    one_object : float
        Share of the support masks that keep one connected object only.
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
    absent: float = 0.2
    alien: float = 0.45
    templates: str = "nine sentences"
    mix: float = 1.0
    text_share: tuple[float, ...] = (0.0, 0.5)
    own_support: float = 0.0
    one_object: float = 0.0
    text_noise: float = 0.0
    prompt_image: str = PAPERS_CHOICE
    cycle: int = 0

    def __post_init__(self) -> None:
        _refuse(sampling_faults(self))


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
        AdamW's learning rate at its peak and end, its decay, and the largest gradient norm; 0:
        gradients are not clipped.
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
    dropout : float
        Share of the decoder's attention and hidden values that is left out. The paper has 0.1;
        attention with dropout has no fused form and makes a step half as long again.
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
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _refuse(optim_faults(self))


@dataclasses.dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole training run.

    Parameters
    ----------
    model : ModelConfig
    data : DataConfig
    sampling : SamplingConfig
    augment : AugmentConfig
    optim : OptimConfig
    start : str
        Model to go on from: a weights file, relative to the working directory as are ``clip`` and
        ``text_tower``, or a name of the catalog. Empty: the network starts random.
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
    augment: AugmentConfig = AugmentConfig()
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
        _refuse(train_faults(self))
