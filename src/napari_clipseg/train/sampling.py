"""Batches as a function of the seed and the step: what a killed run saw, the resumed one sees."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_clipseg.train.augment import Cutter, Square
from napari_clipseg.train.config import SamplingConfig
from napari_clipseg.train.dataset import Concept, Scene
from napari_clipseg.train.prompt_images import VARIANTS, prompt_image
from napari_clipseg.train.sources import Content, Source
from napari_clipseg.train.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one step learns from.

    Parameters
    ----------
    images : float32 (B, S, S, 3)
        RGB in [0, 1].
    masks : bool (B, P, S, S)
    valid : bool (B, S, S)
        Pixels of which all is known.
    vectors : float32 (B, P, E)
        Text vectors of the prompts.
    supports : float32 (V, S, S, 3)
        Prompt images in [0, 1].
    places : int64 (V, 2)
        The image and the prompt that each prompt image stands for.
    meanings : float32 (V, E)
        Text vectors of what the prompt images show.
    mix : float32 (V,)
        Weight of the text vector beside the image vector.
    absent : bool (B, P)
        Whether a prompt was drawn as one for something absent.
    """

    images: NDArray[np.float32]
    masks: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    supports: NDArray[np.float32]
    places: NDArray[np.int64]
    meanings: NDArray[np.float32]
    mix: NDArray[np.float32]
    absent: NDArray[np.bool_]

    def rows(self, first: int, last: int) -> Batch:
        """Return the part with the images from ``first`` to before ``last`` and their supports."""
        images = slice(first, last)
        own = (self.places[:, 0] >= first) & (self.places[:, 0] < last)
        return Batch(
            images=self.images[images],
            masks=self.masks[images],
            valid=self.valid[images],
            vectors=self.vectors[images],
            supports=self.supports[own],
            places=self.places[own] - np.array([first, 0]),
            meanings=self.meanings[own],
            mix=self.mix[own],
            absent=self.absent[images],
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Library:
    """All pictures to learn from.

    Parameters
    ----------
    sources : mapping of str to Source
    weights : mapping of str to float
        Share of the samples that each source gets, relative to one another.
    """

    sources: Mapping[str, Source]
    weights: Mapping[str, float]

    @property
    def contents(self) -> Iterator[Content]:
        """What is known of every scene, source by source."""
        return itertools.chain.from_iterable(each.contents for each in self.sources.values())


Place = tuple[Source, int]
"""Where a scene is: a source and its number there."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Prompt:
    """A phrase (row of the vocabulary), what it shows in the square, and its concept."""

    row: int
    concept: Concept
    absent: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Support:
    """A prompt image, and the prompt (image, prompt) it stands for."""

    place: tuple[int, int]
    image: NDArray[np.float32]


class Sampler:
    """Draws batches from a library.

    Parameters
    ----------
    library : Library
    vocabulary : Vocabulary
        Holds every phrase of the library.
    config : SamplingConfig
    cutter : Cutter
    seed : int
    """

    def __init__(
        self,
        library: Library,
        vocabulary: Vocabulary,
        config: SamplingConfig,
        cutter: Cutter,
        *,
        seed: int,
    ) -> None:
        self.library = library
        self.vocabulary = vocabulary
        self.config = config
        self.cutter = cutter
        self.seed = seed
        shares = np.array([library.weights[name] for name in library.sources], float)
        self._shares = shares / shares.sum()
        self._sources = list(library.sources.values())
        self._showing = _places_by_concept(library)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; the same for the same seed and step."""
        step = step % self.config.cycle if self.config.cycle else step
        rng = np.random.default_rng([self.seed, step])
        scenes = [self._scene(rng) for _ in range(self.config.batch)]
        focus = [_focus(rng, scene) for scene in scenes]
        pairs = list(zip(scenes, focus, strict=True))
        squares = [self.cutter.cut(rng, scene, concept) for scene, concept in pairs]
        prompts = [self._prompts(rng, scene, concept) for scene, concept in pairs]
        chosen = self._chosen(rng, prompts)
        supports = [self._support(rng, *place, scenes, prompts) for place in chosen]
        return self._stacked(rng, squares, prompts, supports)

    def _scene(self, rng: np.random.Generator) -> Scene:
        source = self._sources[int(rng.choice(len(self._sources), p=self._shares))]
        return source[int(rng.integers(len(source)))]

    def _chosen(
        self, rng: np.random.Generator, prompts: Sequence[Sequence[_Prompt]]
    ) -> list[tuple[int, int]]:
        """Draw the (image, prompt) places that are given as a picture, one an image."""
        found = []
        for image in rng.permutation(len(prompts))[: self.config.supports]:
            row = prompts[image]
            usable = [k for k, prompt in enumerate(row) if self._shown_elsewhere(prompt)]
            if usable:
                found.append((int(image), int(rng.choice(usable))))
        return found

    def _shown_elsewhere(self, prompt: _Prompt) -> bool:
        """Return whether a prompt can be given as a picture."""
        fewest = 1 if self.config.own_support else 2
        return len(self._showing.get(prompt.concept.name, ())) >= fewest

    def _prompts(self, rng: np.random.Generator, scene: Scene, focus: Concept) -> list[_Prompt]:
        """Draw the prompts of a scene; the first is its focus unless it is to be absent."""
        known = [concept for concept in scene.concepts if concept.bits]
        false = [concept for concept in scene.concepts if not concept.bits]
        prompts = []
        for index in range(self.config.prompts):
            if rng.random() < self.config.absent:
                prompts.append(self._absent(rng, scene, false))
            else:
                concept = focus if index == 0 or not known else known[rng.integers(len(known))]
                row = self.vocabulary.row(str(rng.choice(concept.phrases)))
                prompts.append(_Prompt(row, concept, absent=False))
        return prompts

    def _absent(self, rng: np.random.Generator, scene: Scene, false: Sequence[Concept]) -> _Prompt:
        """Draw a phrase for something the scene does not show."""
        if false and rng.random() < 0.5:
            concept = false[int(rng.integers(len(false)))]
            row = self.vocabulary.row(str(rng.choice(concept.phrases)))
            return _Prompt(row, concept, absent=True)
        shown = [
            self.vocabulary.row(phrase)
            for concept in scene.concepts
            if concept.bits
            for phrase in concept.phrases
        ]
        row = self.vocabulary.alien(rng, scene.realm, shown, self.config.alien)
        phrase = self.vocabulary.phrases[row]
        return _Prompt(row, Concept(self.vocabulary.concept_of(row), (phrase,), 0), absent=True)

    def _support(
        self,
        rng: np.random.Generator,
        image: int,
        place: int,
        scenes: Sequence[Scene],
        prompts: Sequence[Sequence[_Prompt]],
    ) -> _Support:
        """Show what a prompt asks for, in another picture or in the same one."""
        prompt = prompts[image][place]
        others = self._showing[prompt.concept.name]
        own = scenes[image].mask(prompt.concept).any() and rng.random() < self.config.own_support
        shown = scenes[image] if own else _drawn(rng, others)
        return _Support((image, place), self._prompt_image(rng, shown, prompt.concept))

    def _prompt_image(
        self, rng: np.random.Generator, scene: Scene, concept: Concept
    ) -> NDArray[np.float32]:
        shown = next((each for each in scene.concepts if each.name == concept.name), concept)
        for _ in range(4):
            square = self.cutter.cut(rng, scene, shown)
            mask = square.mask(shown)
            if mask.any():
                return self._pointed(square.image, self._thinned(rng, mask))
        return self._pointed(square.image, np.ones_like(mask))

    def _pointed(self, image: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return prompt_image(VARIANTS[self.config.prompt_image], image, mask, self.cutter.side)

    def _thinned(self, rng: np.random.Generator, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the mask, or one of its connected objects, as a user might paint it."""
        if rng.random() >= self.config.one_object:
            return mask
        labels, _ = ndimage.label(mask)
        chosen = rng.choice(labels[mask])
        one: NDArray[np.bool_] = labels == chosen
        return one

    def _vectors(self, rng: np.random.Generator, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the text vectors of phrases (B, P), each in a sentence that is drawn."""
        table = self.vocabulary.vectors
        sentences = rng.integers(len(table), size=rows.shape) if len(table) > 1 else 0
        return np.asarray(table[sentences, rows])

    def _stacked(
        self,
        rng: np.random.Generator,
        squares: Sequence[Square],
        prompts: Sequence[Sequence[_Prompt]],
        supports: Sequence[_Support],
    ) -> Batch:
        pairs = list(zip(squares, prompts, strict=True))
        clean = self._vectors(rng, np.array([[prompt.row for prompt in row] for row in prompts]))
        noise = rng.standard_normal(clean.shape, np.float32)
        noise *= self.config.text_noise * np.linalg.norm(clean, axis=-1, keepdims=True)
        shape = (len(supports), self.cutter.side, self.cutter.side, 3)
        places = np.reshape([each.place for each in supports], (-1, 2)).astype(np.int64)
        mixed = rng.random(len(supports)) < self.config.mix
        low, high = self.config.text_share
        return Batch(
            images=np.stack([square.image for square in squares]),
            masks=np.stack([np.stack([s.mask(p.concept) for p in row]) for s, row in pairs]),
            valid=np.stack([square.valid for square in squares]),
            vectors=clean + noise / np.float32(np.sqrt(clean.shape[-1])),
            supports=np.reshape([each.image for each in supports], shape).astype(np.float32),
            places=places,
            meanings=clean[tuple(places.T)],
            mix=(rng.uniform(low, high, len(supports)) * mixed).astype(np.float32),
            absent=np.array([[prompt.absent for prompt in row] for row in prompts]),
        )


def _places_by_concept(library: Library) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for source in library.sources.values():
        for number, content in enumerate(source.contents):
            for concept in content.seen:
                found.setdefault(concept.name, []).append((source, number))
    return found


def _drawn(rng: np.random.Generator, places: Sequence[Place]) -> Scene:
    source, number = places[int(rng.integers(len(places)))]
    return source[number]


def _focus(rng: np.random.Generator, scene: Scene) -> Concept:
    """Draw the concept that a square is cut around."""
    shown = [concept for concept in scene.concepts if concept.bits] or list(scene.concepts)
    return shown[int(rng.integers(len(shown)))]
