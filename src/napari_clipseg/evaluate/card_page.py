"""The figures of a model card as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_clipseg.evaluate.survey import EXAMPLE, PHRASE, SYNONYM, Answer

if TYPE_CHECKING:
    from napari_clipseg.evaluate.card import Card


def page(card: Card) -> str:
    """Return all tables of a card, each with a sentence on what it shows."""
    parts = (_validation(card), _absent(card), _synonyms(card), _unseen(card))
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _validation(card: Card) -> Iterator[str]:
    rows = _asked(card.known, PHRASE)
    examples = {(each.data, each.concept): each for each in _asked(card.known, EXAMPLE)}
    yield (
        f"Validation pictures, IoU at {card.threshold:g} by the first phrase and by one painted "
        "example of the training pictures; AP by phrase; the best Otsu threshold of a channel. "
        "AP is the paper's, which spans only the recalls that thresholds reach: a better answer "
        "can have a lower one."
    )
    yield ""
    yield "| data set | concept | images | by phrase | by example | AP | classical |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        example = examples.get((row.data, row.concept))
        yield _row(
            *(row.data, row.concept, row.images, row.iou),
            *(math.nan if example is None else example.iou, row.average_precision),
            row.classical.iou,
        )
    yield _row(
        *("mean", "", "", _mean(rows), _mean(list(examples.values()))),
        *(np.mean([row.average_precision for row in rows]),),
        *(np.mean([row.classical.iou for row in rows]),),
    )
    yield ""
    yield f"Better than the best classical threshold on {_beaten(rows)} concepts, by phrase."


def _absent(card: Card) -> Iterator[str]:
    for kind, area in card.areas.items():
        yield f"Mean area found for words of absent things, {kind}: {area:.2%}."
    shares = {kind: f"{share:.0%}" for kind, share in card.recognised.items()}
    if "synonyms" in shares:
        yield (
            f"`knows` calls {shares['synonyms']} of the synonyms below learned, and "
            f"{shares['unknown']} of the words of unknown things."
        )
    elif shares:
        yield f"`knows` calls {shares['unknown']} of the words of unknown things learned."


def _synonyms(card: Card) -> Iterator[str]:
    rows = _asked(card.known, SYNONYM)
    if not rows:
        return
    phrases = {(each.data, each.concept): each for each in _asked(card.known, PHRASE)}
    yield "Words never used with a picture in training: IoU beside that of the first phrase."
    yield ""
    yield "| data set | first phrase | IoU | other words | IoU |"
    yield "|---|---|---|---|---|"
    for row in rows:
        first = phrases[row.data, row.concept]
        yield _row(row.data, first.prompt, first.iou, row.prompt, row.iou)
    own = float(np.mean([phrases[row.data, row.concept].iou for row in rows]))
    yield _row("mean", "", own, "", _mean(rows))
    yield ""
    yield f"Other words cost {own - _mean(rows):.2f} of IoU on average."


def _unseen(card: Card) -> Iterator[str]:
    rows = _asked(card.unseen, PHRASE)
    if not rows:
        return
    yield (
        "Data sets of which no picture was trained on, by the first phrase: IoU at "
        f"{card.threshold:g}, and at the best threshold, which needs the truth."
    )
    yield ""
    yield "| data set | concept | images | IoU | best IoU | at | AP | classical |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        yield _row(
            *(row.data, row.concept, row.images, row.iou, row.best.value, row.best.threshold),
            *(row.average_precision, row.classical.iou),
        )
    best = float(np.mean([row.best.value for row in rows]))
    classical = float(np.mean([row.classical.iou for row in rows]))
    yield _row("mean", "", "", _mean(rows), best, "", "", classical)
    yield ""
    beaten = _beaten(rows)
    yield f"Better than the best classical threshold on {beaten} concepts at {card.threshold:g}."


def _asked(answers: Sequence[Answer], way: str) -> list[Answer]:
    return [each for each in answers if each.way == way]


def _mean(rows: Sequence[Answer]) -> float:
    return float(np.mean([row.iou for row in rows])) if rows else math.nan


def _beaten(rows: Sequence[Answer]) -> str:
    return f"{sum(row.iou > row.classical.iou for row in rows)} of {len(rows)}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(_cell(each) for each in cells)} |"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.2f}"
    return str(value)
