"""Generated pictures that teach the words of appearance: colour, brightness, size, shape, texture.

Every picture shows one to three kinds of objects. A phrase such as "small red spots" belongs to
all kinds of which each of its words is true, so its mask is known, and so is that of a phrase
of which one word is false: nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import Concept, Scene
from napari_clipseg.train.generated import shapes
from napari_clipseg.train.generated.canvas import SIDE, to_uint8
from napari_clipseg.train.generated.shapes import Mask, blurred, smooth_noise

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.12),
    "green": (0.15, 0.7, 0.2),
    "blue": (0.15, 0.25, 0.85),
    "yellow": (0.95, 0.88, 0.15),
    "orange": (0.95, 0.55, 0.08),
    "purple": (0.5, 0.15, 0.65),
    "cyan": (0.1, 0.8, 0.85),
    "pink": (0.97, 0.55, 0.72),
    "brown": (0.42, 0.26, 0.12),
    "white": (0.95, 0.95, 0.95),
    "black": (0.05, 0.05, 0.05),
    "gray": (0.5, 0.5, 0.5),
}

ALIKE = frozenset(
    frozenset(pair)
    for pair in (
        *(("red", "orange"), ("red", "pink"), ("red", "brown"), ("orange", "brown")),
        *(("orange", "yellow"), ("purple", "pink"), ("purple", "blue"), ("cyan", "blue")),
        *(("cyan", "green"), ("gray", "white"), ("gray", "black"), ("brown", "black")),
        *(("yellow", "white"), ("pink", "white")),
    )
)
"""Colours between which a name does not decide."""

TONES = {"dark": {"bright": 0.9, "dim": 0.4}, "mid": {"bright": 0.92, "dark": 0.1}}
"""Brightness of objects in grey pictures, by that of the ground."""

GROUNDS = {"dark": (0.02, 0.15), "mid": (0.4, 0.55)}

SIZES = {"small": (2.5, 6.0), "large": (12.0, 28.0)}
"""Radii in pixels."""

WIDTHS = {"thin": (1.0, 2.5), "thick": (6.0, 11.0)}
"""Widths of lines in pixels."""

NOUNS: dict[str, frozenset[str]] = {
    noun: frozenset(true.split())
    for noun, true in {
        "spots": "disc",
        "dots": "disc",
        "circles": "disc",
        "discs": "disc",
        "round objects": "disc",
        "round spots": "disc",
        "rings": "ring",
        "squares": "square",
        "square objects": "square",
        "triangles": "triangle",
        "ellipses": "ellipse",
        "elongated objects": "ellipse",
        "oval objects": "ellipse",
        "irregular blobs": "blob",
        "irregular patches": "blob",
        "blobs": "disc ellipse blob",
        "lines": "line",
        "strands": "line",
        "streaks": "line",
        "objects": "disc ring square triangle ellipse blob",
        "shapes": "disc ring square triangle ellipse blob",
    }.items()
}
"""Nouns, each with the shapes of which it is true; of all others it is false."""

WORDS = {
    "small": ("small", "tiny", "little"),
    "large": ("large", "big"),
    "thin": ("thin", "narrow"),
    "thick": ("thick", "wide"),
    "bright": ("bright", "light"),
    "dim": ("dim", "faint"),
    "dark": ("dark", "black"),
    "gray": ("gray", "grey"),
    "purple": ("purple", "violet"),
}
"""Words that mean the same, where there is more than one."""

TEXTURES = ("striped", "spotted", "checkered", "grainy", "smooth")

_SHAPES = ("disc", "disc", "disc", "ring", "square", "triangle", "ellipse", "blob", "line", "line")


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What one kind of objects looks like; also a phrase, where ``""`` leaves a word out."""

    size: str
    paint: str
    noun: str

    def fits(self, kind: Look) -> bool:
        """Return whether all words of this phrase are true of a kind, whose noun is a shape."""
        return (
            self.size in ("", kind.size)
            and self.paint in ("", kind.paint)
            and kind.noun in NOUNS[self.noun]
        )

    def texts(self) -> tuple[str, ...]:
        """Return the phrases that say this, the plainest first."""
        found = [self.noun]
        for word in (self.paint, self.size):
            found = [f"{each} {rest}" for rest in found for each in WORDS.get(word, (word,))]
        return tuple(dict.fromkeys(" ".join(text.split()) for text in found))


def objects(rng: np.random.Generator) -> Scene:
    """Return a picture of scattered objects of one to three looks."""
    ground = str(rng.choice([*GROUNDS, "colour", "colour"]))
    kinds = _kinds(rng, ground)
    image = _ground(rng, ground, [kind.paint for kind in kinds])
    bits = np.zeros((SIDE, SIDE), np.uint8)
    for index, kind in enumerate(kinds):
        value = _paint_value(rng, kind.paint, ground)
        for mask in _scatter(rng, kind):
            image[mask] = value * rng.uniform(0.92, 1.08)
            bits[mask] = 1 << index
    image = blurred(image, rng.uniform(0.3, 1.0))
    image += rng.normal(0, rng.uniform(0, 0.04), image.shape[:2])[..., None]
    return Scene(to_uint8(image), bits, _concepts(rng, kinds, ground), "plain")


def textures(rng: np.random.Generator) -> Scene:
    """Return a picture of two or three regions that differ in texture."""
    names = list(rng.choice(TEXTURES, int(rng.integers(2, 4)), replace=False))
    parts = shapes.cells(rng, SIDE, int(rng.integers(3, 7)), wobble=5)[0] % len(names)
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    for index, name in enumerate(names):
        pair = rng.uniform(0.1, 0.9, (2, 3)) if rng.random() < 0.4 else rng.uniform(0, 1, (2, 1))
        share = _texture(rng, name)[..., None]
        filling = share * pair[0] + (1 - share) * pair[1]
        image = np.where((parts == index)[..., None], filling, image)
    image = (blurred(image, 0.6) + rng.normal(0, 0.02, (SIDE, SIDE, 1))).astype(np.float32)
    concepts = [
        Concept(f"{name} area", _area_texts(name), 1 << names.index(name) if name in names else 0)
        for name in TEXTURES
    ]
    return Scene(to_uint8(image), (1 << parts).astype(np.uint8), tuple(concepts), "plain")


def _area_texts(texture: str) -> tuple[str, ...]:
    return tuple(f"{texture} {noun}" for noun in ("area", "region", "texture", "surface"))


def _texture(rng: np.random.Generator, name: str) -> NDArray[np.float32]:
    """Return the share (SIDE, SIDE) of the first of two colours."""
    angle, period = rng.uniform(0, math.pi), rng.uniform(6, 18)
    rows, columns = np.mgrid[:SIDE, :SIDE] * (2 * math.pi / period)
    along = np.cos(angle) * rows + np.sin(angle) * columns
    across = np.cos(angle) * columns - np.sin(angle) * rows
    if name == "grainy":
        share = 0.5 + 0.4 * smooth_noise(rng, SIDE, rng.uniform(0.8, 2))
    elif name == "smooth":
        share = 0.5 + 0.4 * (0.1 * smooth_noise(rng, SIDE, 30))
    elif name == "striped":
        share = np.sin(along) > 0
    elif name == "spotted":
        share = np.cos(along) + np.cos(across) > 1
    else:
        share = np.sin(along) * np.sin(across) > 0
    clipped: NDArray[np.float32] = np.clip(share, 0, 1).astype(np.float32)
    return clipped


def _kinds(rng: np.random.Generator, ground: str) -> list[Look]:
    """Draw looks of which no two share shape, size and paint, nor have colours alike."""
    paints = list(COLOURS) if ground == "colour" else list(TONES[ground])
    kinds: list[Look] = []
    for _ in range(int(rng.integers(1, 4))):
        shape = str(rng.choice(_SHAPES))
        size = str(rng.choice(list(WIDTHS if shape == "line" else SIZES)))
        kind = Look(size, str(rng.choice(paints)), shape)
        clash = any(frozenset((kind.paint, other.paint)) in ALIKE for other in kinds)
        if kind not in kinds and not clash:
            kinds.append(kind)
    return kinds


def _ground(rng: np.random.Generator, ground: str, paints: Sequence[str]) -> NDArray[np.float32]:
    """Return a ground (SIDE, SIDE, 3) from which every paint can be told."""
    if ground == "colour":
        free = [name for name in COLOURS if _apart(name, paints)] or ["gray"]
        base = np.array(COLOURS[str(rng.choice(free))]) * rng.uniform(0.8, 1.0)
    else:
        base = np.full(3, rng.uniform(*GROUNDS[ground]))
    uneven = rng.uniform(0, 0.05) * smooth_noise(rng, SIDE, rng.uniform(2, 60))[..., None]
    return (base + uneven).astype(np.float32)


def _apart(name: str, paints: Sequence[str]) -> bool:
    return all(name != paint and frozenset((name, paint)) not in ALIKE for paint in paints)


def _paint_value(rng: np.random.Generator, paint: str, ground: str) -> NDArray[np.float64]:
    if ground == "colour":
        return np.clip(np.array(COLOURS[paint]) * rng.uniform(0.85, 1.1), 0, 1)
    return np.full(3, TONES[ground][paint])


def _scatter(rng: np.random.Generator, kind: Look) -> list[Mask]:
    """Draw the objects of one look."""
    few = {"small": (6, 30), "large": (1, 6), "thin": (2, 10), "thick": (1, 5)}[kind.size]
    return [_draw(rng, kind) for _ in range(int(rng.integers(*few)))]


def _draw(rng: np.random.Generator, kind: Look) -> Mask:
    if kind.noun == "line":
        bend = float(rng.choice([0.0, 0.1, 0.3]))
        return shapes.line(SIDE, shapes.walk(rng, SIDE, bend), rng.uniform(*WIDTHS[kind.size]))
    x, y = rng.uniform(0, SIDE, 2)
    radius, angle = rng.uniform(*SIZES[kind.size]), rng.uniform(0, math.pi)
    if kind.noun == "blob":
        return shapes.blob(rng, SIDE, (x, y), radius)
    if kind.noun == "ring":
        return shapes.ring(SIDE, (x, y), radius, max(1.5, radius / 3))
    if kind.noun == "ellipse":
        return shapes.ellipse(SIDE, (x, y), (radius * 1.4, radius * 0.55), angle)
    corners = {"disc": 24, "square": 4, "triangle": 3}[kind.noun]
    return shapes.regular(SIDE, (x, y), (radius * 1.1, radius * 1.1), angle, corners)


def _concepts(rng: np.random.Generator, kinds: Sequence[Look], ground: str) -> tuple[Concept, ...]:
    """Draw phrases that are true of some kinds, and phrases with a word that is false."""
    found: dict[str, Concept] = {}
    for _ in range(8 * len(kinds)):
        phrase = _phrase_of(rng, kinds[int(rng.integers(len(kinds)))])
        if rng.random() < 0.5:
            phrase = _altered(rng, phrase, kinds, ground)
        texts = phrase.texts()
        bits = sum(1 << index for index, kind in enumerate(kinds) if phrase.fits(kind))
        found[texts[0]] = Concept(texts[0], texts, bits)
    return tuple(found.values())


def _phrase_of(rng: np.random.Generator, kind: Look) -> Look:
    nouns = [noun for noun, true in NOUNS.items() if kind.noun in true]
    size = kind.size if rng.random() < 0.35 else ""
    paint = kind.paint if rng.random() < 0.65 else ""
    return Look(size, paint, str(rng.choice(nouns)))


def _altered(rng: np.random.Generator, phrase: Look, kinds: Sequence[Look], ground: str) -> Look:
    """Replace one word by another of its sort; what comes out may or may not be true."""
    part = str(rng.choice(["paint", "noun", "size"]))
    paints = [kind.paint for kind in kinds]
    colours = [name for name in COLOURS if _apart(name, paints)] or paints
    choices = {
        "paint": colours if ground == "colour" else list(TONES[ground]),
        "noun": list(NOUNS),
        "size": list(WIDTHS) if "line" in NOUNS[phrase.noun] else list(SIZES),
    }
    return dataclasses.replace(phrase, **{part: str(rng.choice(choices[part]))})
