"""Studies of the paper, on any data set and any weights.

References
----------
Lüddecke & Ecker 2022, arXiv 2112.10003, section 4.2 and table 2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_clipseg.engine.devices import translated_errors
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import SettingError
from napari_clipseg.evaluate.attention import ATTENTION_MASKS, masked_image_vectors, object_mask
from napari_clipseg.evaluate.tasks import read_pixels, read_truth
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.train.prompt_images import VARIANTS, prompt_image, resized
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet

TEMPLATE = "a photo of a {}"
FEWEST_NAMES = 3
"""Names that have to be there to choose from; a picture with fewer is left out."""


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """What one way to point at an object does.

    Parameters
    ----------
    variant : str
    gain : float
        Mean rise of the probability that CLIP gives the object's name, in percent points.
    objects : int
        Objects that it is the mean of.
    """

    variant: str
    gain: float
    objects: int


class VisualPromptStudy:
    """How much better CLIP names an object when the prompt image points at it.

    Each object of a picture is pointed at in every way. CLIP then chooses among the names of
    all objects of that picture; what counts is the probability of the right name less that
    without pointing.

    Parameters
    ----------
    model : CLIPSeg
        Its CLIP is studied, the decoder plays no part.
    data : AnnotatedSet
    words : sequence of str
        Further names to choose among, for data sets whose pictures show fewer than three things.
        One that is there already, in small or capital letters, adds nothing.

    Raises
    ------
    SettingError
        If a word is blank.

    Notes
    -----
    As the authors do, attention is masked at the size of a tile and all else is shown at
    the size CLIP was trained on.
    """

    def __init__(self, model: CLIPSeg, data: AnnotatedSet, words: Sequence[str] = ()) -> None:
        if not all(word.strip() for word in words):
            raise SettingError("a name to choose among is blank: leave it out")
        self._model, self._data, self._words = model, data, tuple(words)
        self._side = int(model.config.clip["vision_cfg"]["image_size"])
        self._gains: dict[str, list[float]] = {name: [] for name in (*ATTENTION_MASKS, *VARIANTS)}

    def take(self, picture: Annotated) -> None:
        """Study all objects of one picture, if there are names enough to choose among.

        Raises
        ------
        ImageError
            If the picture cannot be read.
        EngineError, OutOfMemory
            If the model fails.
        """
        masks = {
            name: mask
            for name, mask in read_truth(picture).masks.items()
            if name in self._data.concepts and not mask.all()
        }
        phrases = [self._data.concepts[name][0] for name in masks]
        names = _distinct([*phrases, *self._words])
        if len(names) < FEWEST_NAMES:
            return
        pixels = Pixels(read_pixels(picture))
        rgb = np.array(pixels.read((0, 0, *pixels.shape)))
        with translated_errors(), torch.inference_mode():
            texts = self._model.text_vectors([TEMPLATE.format(name) for name in names.values()])
            for phrase, mask in zip(phrases, masks.values(), strict=True):
                target = list(names).index(_key(phrase))
                for variant, gain in self._effects(rgb, mask, texts, target):
                    self._gains[variant].append(gain)

    def effects(self) -> tuple[Effect, ...]:
        """Return the effect of every way to point, in the paper's order.

        Raises
        ------
        SettingError
            If no picture had names enough.
        """
        if not any(self._gains.values()):
            raise SettingError(
                f"no picture of {self._data.name} shows {FEWEST_NAMES} things to choose among: "
                "give words for other things"
            )
        return tuple(
            Effect(name, 100 * float(np.mean(gains)), len(gains))
            for name, gains in self._gains.items()
        )

    def _effects(
        self, rgb: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], texts: Tensor, target: int
    ) -> Iterator[tuple[str, float]]:
        """Yield name and gain of every way to point at one object."""
        shown = [resized(rgb, self._side)]
        shown += [prompt_image(variant, rgb, mask, self._side) for variant in VARIANTS.values()]
        vectors = self._model.image_vectors(self._pixel_values(shown))
        plain, *pointed = self._chosen(vectors, texts)[:, target].tolist()
        for name, probability in zip(VARIANTS, pointed, strict=True):
            yield name, probability - plain
        for name, probability in zip(
            ATTENTION_MASKS, self._masked(rgb, mask, texts)[:, target].tolist(), strict=True
        ):
            yield name, probability - plain

    def _masked(
        self, rgb: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], texts: Tensor
    ) -> Tensor:
        """Return the probability of each name (masks, names) under every attention mask."""
        tile = self._model.config.tile
        values = self._pixel_values([resized(rgb, tile)])
        seen = object_mask(torch.from_numpy(mask), tile).to(values.device)
        vectors = [
            masked_image_vectors(self._model, values, seen, each)
            for each in ATTENTION_MASKS.values()
        ]
        return self._chosen(torch.cat(vectors), texts)

    def _pixel_values(self, images: Sequence[npt.NDArray[np.float32]]) -> Tensor:
        rgb = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        return self._model.normalise(rgb.to(self._model.mean.device))

    def _chosen(self, vectors: Tensor, texts: Tensor) -> Tensor:
        """Return the probability that CLIP gives each name (images, names)."""
        scale = self._model.encoder.clip.logit_scale.exp()
        cosines = F.normalize(vectors) @ F.normalize(texts).T
        chosen: Tensor = (scale * cosines).softmax(-1)
        return chosen


def _distinct(names: Sequence[str]) -> dict[str, str]:
    """Return the names that CLIP can tell apart: its text tower sees small letters only."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(_key(name), name)
    return found


def _key(name: str) -> str:
    return " ".join(name.casefold().split())
