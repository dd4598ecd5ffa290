"""What is kept between runs: the model loaded last, and the images that it has encoded."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

from napari_clipseg.widget.job import ModelChoice
from napari_clipseg.widget.pace import Pace

if TYPE_CHECKING:
    from napari_clipseg.engine.features import Features
    from napari_clipseg.engine.segmenter import Segmenter
    from napari_clipseg.layers.query import QueryImage
    from napari_clipseg.widget.request import RunRequest

MEGABYTE = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """An image as it is to be encoded.

    Parameters
    ----------
    key : hashable
        Equal keys mean equal features.
    place : hashable
        The plane of the layer, whatever else changes.
    layers : frozenset of hashable
        Ids of the layers whose pixels are read.
    facts : tuple of (str, hashable)
        What a person can change, by the name that a person knows.
    """

    key: Hashable
    place: Hashable
    layers: frozenset[Hashable]
    facts: tuple[tuple[str, Hashable], ...]

    @classmethod
    def of(cls, request: RunRequest, query: QueryImage) -> Wanted:
        """Return what a request wants to be encoded of a plane."""
        choice = ModelChoice.of(request)
        facts = (
            ("model", choice),
            ("zoom", request.zoom),
            ("contrast", query.contrast),
            ("choice of channels", _identity(request.channels)),
            ("level", request.level),
        )
        layers = {query.layer.unique_id, *_layer_ids(request.channels)}
        return cls(
            (query.key, choice, request.zoom),
            (query.layer.unique_id, str(query.plane)),
            frozenset(layers),
            facts,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    wanted: Wanted
    features: Features
    bytes_in_memory: int


class Memory:
    """One model and as many encoded planes as a budget allows, handed out where they fit."""

    def __init__(self) -> None:
        self._choice: ModelChoice | None = None
        self._segmenter: Segmenter | None = None
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._last: dict[Hashable, Wanted] = {}
        self._changed: set[Hashable] = set()
        self._pace = Pace()

    def __len__(self) -> int:
        """Return how many planes are kept, encoded or being encoded."""
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that all kept features take."""
        return sum(each.bytes_in_memory for each in self._kept.values())

    def segmenter(self, choice: ModelChoice) -> Segmenter | None:
        """Return the model of a choice if it is the one that is loaded."""
        return self._segmenter if choice == self._choice else None

    def pace(self, choice: ModelChoice) -> Pace:
        """Return how fast the model of a choice was; nothing is known of one not loaded."""
        return self._pace if choice == self._choice else Pace()

    def keep_segmenter(self, choice: ModelChoice, segmenter: Segmenter, pace: Pace) -> None:
        """Keep a model in place of the one before, whose features are of no use to it."""
        if choice != self._choice:
            self._kept.clear()
        self._choice, self._segmenter, self._pace = choice, segmenter, pace

    def features(self, wanted: Wanted) -> Features | None:
        """Return the features of an image if there are any that fit."""
        kept = self._kept.get(wanted.key)
        if kept is None:
            return None
        self._kept.move_to_end(wanted.key)
        return kept.features

    def keep(self, wanted: Wanted, features: Features, budget_mb: int, *, on_disk: bool) -> None:
        """Keep features; the least recently used go where the budget is exceeded."""
        taken = 0 if on_disk else features.nbytes
        self._kept[wanted.key] = _Kept(wanted, features, taken)
        self._kept.move_to_end(wanted.key)
        self._last[wanted.place] = wanted
        self._changed.discard(wanted.place)
        while self.nbytes > budget_mb * MEGABYTE and len(self._kept) > 1:
            self._kept.popitem(last=False)

    def forget(self, layer: Hashable) -> None:
        """Drop what was made of a layer: its pixels are not what they were."""
        for key, kept in list(self._kept.items()):
            if layer in kept.wanted.layers:
                del self._kept[key]
        self._changed |= {place for place, last in self._last.items() if layer in last.layers}

    def why_anew(self, wanted: Wanted) -> str:
        """Return in one sentence why a plane that was encoded must be encoded again, or ""."""
        last = self._last.get(wanted.place)
        if last is None or wanted.key in self._kept:
            return ""
        if wanted.place in self._changed:
            return "The image has changed: encoding anew."
        before = dict(last.facts)
        changed = [name for name, value in wanted.facts if before[name] != value]
        if changed:
            return f"The {' and the '.join(changed)} has changed: encoding anew."
        return "The encoded image had to make room for others: encoding anew."


def _layer_ids(channels: tuple[object, ...] | None) -> set[Hashable]:
    return {each.unique_id for each in channels or () if hasattr(each, "unique_id")}


def _identity(channels: tuple[object, ...] | None) -> Hashable:
    return tuple(getattr(each, "unique_id", each) for each in channels or ())
