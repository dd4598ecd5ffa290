"""What is wrong with the settings of a training run, one sentence for each fault.

The dataclasses of ``config`` raise the first sentence; no sentence means that all values can be
trained with. What only the data folder can tell is checked where that is read.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_clipseg.engine.templates import TEMPLATES
from napari_clipseg.train.prompt_images import VARIANTS

if TYPE_CHECKING:
    from napari_clipseg.model.config import ModelConfig
    from napari_clipseg.train.config import (
        AugmentConfig,
        DataConfig,
        OptimConfig,
        SamplingConfig,
        TrainConfig,
    )

REALMS = ("micro", "outdoor", "mosaic", "plain", "photo")
"""What pictures are of, which decides what they cannot show."""

CROPS = ("scaled", "largest")
"""How a training square is chosen."""

_LARGEST_SEED = 2**63 - 1


@dataclasses.dataclass(frozen=True, slots=True)
class _Range:
    """The finite numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float
    above, below : bool
        Whether ``low``, or ``high``, is itself left out.
    """

    low: float = 0
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        high_enough = value > self.low if self.above else value >= self.low
        low_enough = value < self.high if self.below else value <= self.high
        return high_enough and low_enough and value < math.inf

    def __str__(self) -> str:
        lower = f"{'above' if self.above else 'at least'} {self.low}"
        if self.high == math.inf:
            return f"{lower} and finite"
        return f"{lower} and {'below' if self.below else 'at most'} {self.high}"


_COUNT = _Range(1)
_NOT_NEGATIVE = _Range(0)
_POSITIVE = _Range(0, above=True)
_SHARE = _Range(0, 1)
_SHARE_BELOW_ALL = _Range(0, 1, below=True)


def model_faults(model: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with the network's measures; its names are checked where it is built."""
    counts = dict.fromkeys(("reduce_dim", "decoder_heads", "decoder_mlp", "tile"), _COUNT)
    blocks = dict.fromkeys(("conditional_layer", "extra_blocks"), _NOT_NEGATIVE)
    ranges = {**counts, **blocks, "threshold": _Range(0, 1, above=True, below=True)}
    yield from _all_outside("model.", model, ranges)
    if model.reduce_dim % model.decoder_heads:
        yield (
            f"model.reduce_dim is {model.reduce_dim}, which is no multiple of "
            f"model.decoder_heads, {model.decoder_heads}"
        )
    try:
        layers, patch = int(model.clip["vision_cfg"]["layers"]), model.patch
    except (KeyError, TypeError, ValueError) as error:
        yield f"model.clip is no table of a CLIP with a plain vision transformer: {error!r}"
        return
    if patch < 1 or model.tile % patch:
        yield f"model.tile is {model.tile}; it must be a multiple of the patch, {patch}"
    read = model.extract_layers
    if not read or list(read) != sorted(set(read)) or not 0 <= read[0] <= read[-1] < layers:
        yield (
            f"model.extract_layers is {list(read)}; it must hold blocks from 0 to {layers - 1}, "
            "ascending"
        )


def data_faults(data: DataConfig) -> Iterator[str]:
    """Yield what is wrong with the settings of the pictures."""
    yield from _outside("data.pool", data.pool, _COUNT)
    yield from _share_faults(data)
    yield from _source_faults(data)
    masked = ("background", "lacks", "upright", "invertible", "stained", "unlabelled")
    for setting in masked:
        yield from _unknown_sets(data, setting, ("weights",))
    for setting in ("also", "skip"):
        yield from _unknown_sets(data, setting, ("weights", "mosaics"))
    for realm in data.absent:
        yield from _unknown("the realm of data.absent", realm, REALMS)
    yield from _phrase_faults(data)


def sampling_faults(sampling: SamplingConfig) -> Iterator[str]:
    """Yield what is wrong with how batches are drawn."""
    ranges = {
        "batch": _COUNT,
        "prompts": _COUNT,
        "supports": _NOT_NEGATIVE,
        "absent": _SHARE_BELOW_ALL,
        "alien": _Range(-1, 1),
        "mix": _SHARE,
        "own_support": _SHARE,
        "one_object": _SHARE,
        "text_noise": _NOT_NEGATIVE,
        "cycle": _NOT_NEGATIVE,
    }
    yield from _all_outside("sampling.", sampling, ranges)
    if sampling.supports > sampling.batch:
        yield (
            f"sampling.supports is {sampling.supports}, larger than sampling.batch, which is "
            f"{sampling.batch}: a batch has at most one prompt image for each of its images"
        )
    yield from _no_interval("sampling.text_share", sampling.text_share, _SHARE)
    yield from _unknown("sampling.prompt_image", sampling.prompt_image, VARIANTS)
    yield from _unknown("sampling.templates", sampling.templates, TEMPLATES)


def augment_faults(augment: AugmentConfig) -> Iterator[str]:
    """Yield what is wrong with how squares are cut and changed."""
    cuts = ("native", "on_object", "mirrored", "full_range", "moved")
    lights = ("gamma", "tinted", "grey", "inverted", "restained", "blurred", "noisy")
    yield from _all_outside("augment.", augment, dict.fromkeys((*cuts, *lights), _SHARE))
    yield from _no_interval("augment.scales", augment.scales, _POSITIVE)
    yield from _unknown("augment.crop", augment.crop, CROPS)
    if augment.full_range + augment.moved > 1:
        yield "augment.full_range and augment.moved together are more than 1"
    if augment.grey > augment.tinted:
        yield "augment.grey is larger than augment.tinted, of which it is a part"


def optim_faults(optim: OptimConfig) -> Iterator[str]:
    """Yield what is wrong with how weights are moved."""
    weights = ("clip", "final_rate", "tower", "tower_late", "film", "weight_decay")
    losses = ("dice", "align", "contrast")
    not_negative = dict.fromkeys(("warmup", *weights, *losses), _NOT_NEGATIVE)
    shares = dict.fromkeys(("average", "dropout"), _SHARE_BELOW_ALL)
    ranges = {"steps": _COUNT, "rate": _POSITIVE, **not_negative, **shares}
    yield from _all_outside("optim.", optim, ranges)
    bounds = (optim.warmup, *optim.restarts, optim.steps)
    if optim.restarts and any(b <= a for a, b in itertools.pairwise(bounds)):
        yield f"optim.restarts must rise between warmup and steps, not {bounds}"
    if optim.warmup >= optim.steps:
        yield (
            f"optim.warmup is {optim.warmup}, but the run has only {optim.steps} steps: "
            "optim.warmup must be smaller than optim.steps"
        )
    yield from _no_interval("optim.tower_rise", optim.tower_rise, _NOT_NEGATIVE)


def train_faults(config: TrainConfig) -> Iterator[str]:
    """Yield what is wrong with the settings of the run as a whole."""
    yield from model_faults(config.model)
    every = ("checkpoint_every", "validate_every", "accumulate")
    yield from _all_outside("", config, dict.fromkeys(every, _COUNT))
    yield from _outside("seed", config.seed, _Range(0, _LARGEST_SEED))
    if not any(_sources(config.data).values()):
        yield (
            "[data] names neither weights nor mosaics nor synthetic nor annotated: "
            "there is nothing to learn from"
        )


def _share_faults(data: DataConfig) -> Iterator[str]:
    sources = _sources(data).items()
    shares = {f"data.{table}.{k}": share for table, named in sources for k, share in named.items()}
    for where, share in shares.items():
        yield from _outside(f"the share of {where}", share, _NOT_NEGATIVE)
    if shares and not any(shares.values()):
        yield f"{', '.join(shares)}: all shares are 0; at least one must be above 0"
    generated = {**data.mosaics, **data.synthetic}
    if generated and not any(generated.values()):
        yield (
            "all shares of data.mosaics and data.synthetic are 0, so none of them can be "
            "generated: leave them out, or give at least one a share above 0"
        )


def _source_faults(data: DataConfig) -> Iterator[str]:
    """Yield names that stand for two sources, and what is wrong with annotated ones."""
    for one, other in itertools.combinations(_sources(data).items(), 2):
        for name in other[1]:
            if name in one[1]:
                yield f"{name!r} is in data.{one[0]} and in data.{other[0]}: rename one of them"
    for name, each in data.annotated.items():
        where = f"data.annotated.{name}"
        if not each.train:
            yield f"{where}.train is empty; it must name the split that is trained on"
        yield from _unknown(f"{where}.realm", each.realm, REALMS)


def _unknown_sets(data: DataConfig, setting: str, tables: tuple[str, ...]) -> Iterator[str]:
    known = [name for table in tables for name in getattr(data, table)]
    for name in getattr(data, setting):
        if name not in known:
            where = " or ".join(f"data.{table}" for table in tables)
            yield (
                f"data.{setting} names {name!r}, which is no set of {where}; "
                f"there {'are' if known else 'is'} {', '.join(known) or 'none'}"
            )


def _phrase_faults(data: DataConfig) -> Iterator[str]:
    """Yield phrases that say nothing, and things that a set lacks without a phrase for them."""
    named = {"background": data.background, "absent": data.absent}
    phrases = {f"{key}.{of}": words for key, table in named.items() for of, words in table.items()}
    for key in ("also", "lacks"):
        for name, concepts in getattr(data, key).items():
            phrases |= {f"{key}.{name}.{concept}": words for concept, words in concepts.items()}
    for where, words in phrases.items():
        if where.startswith("lacks.") and not words:
            yield f"data.{where} is empty; it must hold at least one phrase"
        if any(not word.strip() for word in words):
            yield f"data.{where} holds a blank phrase: {words}"


def _sources(data: DataConfig) -> dict[str, Mapping[str, float]]:
    """Return the shares of all sources, by the table that names them."""
    annotated = {name: each.share for name, each in data.annotated.items()}
    return {
        "weights": data.weights,
        "mosaics": data.mosaics,
        "synthetic": data.synthetic,
        "annotated": annotated,
    }


def _unknown(where: str, name: str, known: Iterable[str]) -> Iterator[str]:
    if name not in known:
        yield f"{where} {name!r} is unknown; there are {', '.join(known)}"


def _no_interval(where: str, values: Sequence[float], allowed: _Range) -> Iterator[str]:
    if len(values) != 2 or values[0] > values[1] or not all(each in allowed for each in values):
        yield (
            f"{where} is {list(values)}; it must be two numbers, each {allowed}, "
            "the second not below the first"
        )


def _all_outside(table: str, settings: Any, ranges: Mapping[str, _Range]) -> Iterator[str]:
    for name, allowed in ranges.items():
        yield from _outside(f"{table}{name}", getattr(settings, name), allowed)


def _outside(where: str, value: float, allowed: _Range) -> Iterator[str]:
    if value not in allowed:
        yield f"{where} is {value}; it must be {allowed}"
