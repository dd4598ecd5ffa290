"""Sentences around a phrase: the vectors of all of them are averaged."""

from __future__ import annotations

PLAIN = ("{}",)
"""The template that is the phrase alone."""

TEMPLATES: dict[str, tuple[str, ...]] = {
    "plain": PLAIN,
    "a photo of a {}": ("a photo of a {}",),
    "nine sentences": (
        "a photo of a {}.",
        "a photograph of a {}.",
        "an image of a {}.",
        "{}.",
        "a cropped photo of a {}.",
        "a good photo of a {}.",
        "a photo of one {}.",
        "a bad photo of a {}.",
        "a photo of the {}.",
    ),
}
"""Templates by name, for the ``templates`` of a :class:`~napari_clipseg.TextPrompt`.

"a photo of a {}" is what the authors validate with, and "nine sentences" are those from which
their training draws (setting ``shuffle+`` of github.com/timojl/clipseg); averaging text vectors
over sentences is from Radford et al. 2021, arXiv 2103.00020, section 3.1.4.
"""
