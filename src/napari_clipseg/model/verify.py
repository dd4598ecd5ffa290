"""Whether weights are what they claim to be: hash, tensors, and values published for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from napari_clipseg.errors import ImageError, WeightsInvalid
from napari_clipseg.model.catalog import MODELS
from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.weights import file_sha256, hub_sha256, locate

TOLERANCE = 1e-3
"""Largest difference to a published value, which are given to four decimals."""

COCO_PICTURE = "000000039769.jpg of COCO val2017"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
    passed : bool or None
        None if there was nothing to compare with.
    detail : str
    """

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What :func:`verify` found.

    Parameters
    ----------
    path : Path
        The weights file.
    sha256 : str
        Its hash, 64 hexadecimal digits.
    checks : tuple of Check
    """

    path: Path
    sha256: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing that could be checked was wrong."""
        return all(check.passed is not False for check in self.checks)


@dataclass(frozen=True, slots=True)
class TextAnchor:
    """The first values of the conditional vector of a text."""

    text: str
    vector: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PictureAnchor:
    """The first values that a model gives for :data:`COCO_PICTURE`.

    Parameters
    ----------
    image_vector : tuple of float
        First values of the picture's own conditional vector.
    text : str
        What is looked for.
    logits : tuple of tuple of float
        Upper left corner of the logits.
    """

    image_vector: tuple[float, ...]
    text: str
    logits: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Anchors:
    """All published values of one model."""

    texts: tuple[TextAnchor, ...]
    picture: PictureAnchor | None = None


def verify(
    source: str | Path,
    *,
    name: str | None = None,
    picture: str | Path | None = None,
    backbone: str | Path | None = None,
) -> VerifyReport:
    """Return whether weights are intact and are the model they claim to be.

    Parameters
    ----------
    source : str or Path
        As for :func:`napari_clipseg.load_model`. Nothing is fetched.
    name : str, optional
        Name in the catalog of the model that a file claims to be. By default ``source``.
    picture : str or Path, optional
        The file of :data:`COCO_PICTURE`; without it only values of texts are compared.
    backbone : str or Path, optional
        As for :func:`napari_clipseg.load_model`.

    Returns
    -------
    VerifyReport

    Raises
    ------
    WeightsNotFound
        If the weights are not on this machine.
    UnknownName
        If there is no model of that name.
    ImageError
        If the picture cannot be read.
    """
    path, name = locate(source), name or str(source)
    pixels = None if picture is None else _read_picture(picture)
    sha256 = file_sha256(path)
    checks = [_check_hash(path, sha256, name)]
    try:
        model = load_model(path, backbone=backbone)
    except WeightsInvalid as error:
        checks.append(Check("tensors", False, str(error)))
    else:
        checks.append(Check("tensors", True, "all there, finite and of the right shapes"))
        checks.extend(_check_anchors(model, ANCHORS.get(name, Anchors(())), pixels))
    return VerifyReport(path, sha256, tuple(checks))


def _check_hash(path: Path, actual: str, name: str) -> Check:
    entry = MODELS.get(name)
    expected = (entry.sha256 if entry else None) or hub_sha256(path)
    if expected is None:
        return Check("SHA-256", None, f"{actual}, none is known to compare with")
    return Check("SHA-256", actual == expected, f"{actual}, expected {expected}")


def _check_anchors(model: CLIPSeg, anchors: Anchors, pixels: Tensor | None) -> Iterator[Check]:
    for anchor in anchors.texts:
        actual = model.text_vectors([anchor.text])[0]
        yield _compare(f"vector of {anchor.text!r}", actual, anchor.vector)
    if anchors.picture is not None:
        yield from _check_picture(model, anchors.picture, pixels)


def _check_picture(model: CLIPSeg, anchor: PictureAnchor, pixels: Tensor | None) -> Iterator[Check]:
    if pixels is None:
        yield Check("picture", None, f"needs {COCO_PICTURE}")
        return
    values = model.normalise(pixels)
    yield _compare("vector of the picture", model.image_vectors(values)[0], anchor.image_vector)
    logits = model.logits(values, model.text_vectors([anchor.text]))[0, 0]
    for index, row in enumerate(anchor.logits):
        yield _compare(f"row {index} of logits for {anchor.text!r}", logits[index], row)


def _compare(name: str, actual: Tensor, expected: Sequence[float]) -> Check:
    worst = (actual[: len(expected)] - torch.tensor(expected)).abs().max().item()
    return Check(name, worst <= TOLERANCE, f"differs by {worst:.1e}, allowed {TOLERANCE:.0e}")


def _read_picture(path: str | Path) -> Tensor:
    """Return a picture as the published values saw it: (1, 3, 352, 352) float32 in [0, 1]."""
    try:
        with Image.open(path) as picture:
            # Pillow's resize to whole grey levels is part of the published values
            square = picture.convert("RGB").resize((352, 352), Image.Resampling.BILINEAR)
    except OSError as error:
        raise ImageError(f"the picture {path} cannot be read: {error}") from error
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 255


# the towers are the same CLIP in all three; values as transformers' tests and converter have them
_TEXTS = (
    TextAnchor("a cat", (0.5601, -0.0314, 0.1980)),
    TextAnchor("a glass", (0.1110, -0.1882, 0.1645)),
)

ANCHORS: dict[str, Anchors] = {
    "rd64-refined": Anchors(
        _TEXTS,
        PictureAnchor(
            image_vector=(0.5036, -0.2681, -0.2644),
            text="a cat",
            logits=(
                (-7.4613, -7.4785, -7.3628),
                (-7.3268, -7.0899, -7.1333),
                (-6.9838, -6.7900, -6.8913),
            ),
        ),
    ),
    "rd64": Anchors(_TEXTS),
    "rd16": Anchors(_TEXTS),
}
"""Name of a model -> values it has to give. Sources: transformers, ``tests/models/clipseg`` and
``convert_clipseg_original_pytorch_to_hf.py``."""
