"""What to look for: a text, a painted example, or a mix of both.

The values need no torch, so that a form can make them; torch comes in with the network
that turns them into conditional vectors.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Contrast, Pixels
from napari_clipseg.engine.templates import PLAIN
from napari_clipseg.errors import PromptError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_clipseg.engine.network import Network

LONGEST_QUOTE = 60
"""Characters of what was asked for that a message or the name of a layer repeats."""


@dataclasses.dataclass(frozen=True, slots=True)
class TextPrompt:
    """A phrase.

    Parameters
    ----------
    text : str
        What to find, as one would say it: "nuclei".
    templates : str or sequence of str
        Sentences with ``{}`` in the place of the phrase; the vectors of all are averaged. Kept
        as a tuple.

    Raises
    ------
    PromptError
        If the text is blank, or a template is no text or has no ``{}``.
    """

    text: str
    templates: tuple[str, ...] = PLAIN

    def __init__(self, text: str, templates: str | Sequence[str] = PLAIN) -> None:
        if not isinstance(text, str) or not text.strip():
            raise PromptError('the prompt is empty; say what to find, e.g. "nuclei"')
        if not templates:
            raise PromptError("There is no template: give at least one, such as '{}'.")
        object.__setattr__(self, "text", text)
        object.__setattr__(
            self, "templates", (templates,) if isinstance(templates, str) else tuple(templates)
        )
        for each in self.templates:
            if not isinstance(each, str) or "{}" not in each:
                raise PromptError(f"A template needs {{}} for the phrase: {each!r} has none.")

    @property
    def name(self) -> str:
        """What a person calls this prompt."""
        return self.text.strip()

    def sentences(self) -> list[str]:
        """Return the phrase in each of its templates."""
        return [each.replace("{}", self.text.strip()) for each in self.templates]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class MaskPrompt:
    """A painted example: find more of what the mask covers.

    Parameters
    ----------
    image : array-like (H, W) or (H, W, C)
        Support image, of the kinds that :class:`napari_clipseg.engine.pixels.Pixels` reads.
    mask : array-like (H, W)
        Support mask; every value but zero counts.
    contrast : "auto" or (float, float)
        Contrast window of the support image.
    name : str
        What a person calls this prompt.
    nodata : float, optional
        The value of the support image, which may be NaN, that stands for "nothing here".

    Raises
    ------
    PromptError
        If the mask is empty, covers the whole image or has another shape than the image.
    """

    image: Any
    mask: npt.NDArray[np.bool_]
    contrast: Contrast = "auto"
    name: str = "example"
    nodata: float | None = None

    def __post_init__(self) -> None:
        mask = np.asarray(self.mask) != 0
        height_width = tuple(np.shape(self.image)[:2])
        if mask.shape != height_width:
            raise PromptError(
                f"the support mask has the shape {mask.shape}, its image {height_width}; "
                "they must be equal"
            )
        if not mask.any():
            raise PromptError("the support mask is empty; paint over one example first")
        if mask.all():
            raise PromptError("the support mask covers the whole image; paint only the example")
        object.__setattr__(self, "mask", mask)

    def pixels(self) -> Pixels:
        """Return the support image, ready to be read."""
        return Pixels(self.image, contrast=self.contrast, nodata=self.nodata)

    def digest(self) -> str:
        """Return the SHA-256 of the mask's shape and pixels, by which it can be told."""
        header = f"{self.mask.shape}".encode()
        return hashlib.sha256(header + np.packbits(self.mask).tobytes()).hexdigest()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """A text and an example together (the paper's interpolated conditional vector).

    Parameters
    ----------
    text : str or TextPrompt
    mask : MaskPrompt
    weight : float
        Share of the text in [0, 1]; the mask has the rest.

    Raises
    ------
    PromptError
        If the weight lies outside [0, 1].
    """

    text: TextPrompt
    mask: MaskPrompt
    weight: float = 0.5

    def __init__(self, text: str | TextPrompt, mask: MaskPrompt, weight: float = 0.5) -> None:
        if not isinstance(mask, MaskPrompt) or not isinstance(text, str | TextPrompt):
            raise PromptError("a Mix needs a text and a MaskPrompt, in this order")
        if not 0 <= weight <= 1:
            raise PromptError(f"the weight of the text must lie between 0 and 1, not {weight}")
        object.__setattr__(self, "text", TextPrompt(text) if isinstance(text, str) else text)
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "weight", float(weight))

    @property
    def name(self) -> str:
        """What a person calls this prompt."""
        return f"{self.text.name} + {self.mask.name}"


Prompt: TypeAlias = str | TextPrompt | MaskPrompt | Mix
"""Anything a user may give as one prompt; a string is a :class:`TextPrompt`."""


def as_prompts(prompts: Prompt | Sequence[Prompt]) -> list[TextPrompt | MaskPrompt | Mix]:
    """Return a list of prompt values of one prompt or several.

    Raises
    ------
    PromptError
        If there is none or one is of another type.
    """
    if is_single(prompts):
        return [_as_prompt(prompts)]
    if not isinstance(prompts, Sequence):
        raise PromptError(_no_prompt(prompts))
    if not prompts:
        raise PromptError("there is no prompt; give at least one")
    return [_as_prompt(each) for each in prompts]


def is_single(prompts: Prompt | Sequence[Prompt]) -> TypeGuard[Prompt]:
    """Return whether this is one prompt rather than a sequence of them."""
    return isinstance(prompts, str) or type(prompts) in PROMPTS


def quoted(text: str) -> str:
    """Return a text as a message repeats it: on one line, its end cut off where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 2].rstrip()} …"


def _as_prompt(prompt: Prompt) -> TextPrompt | MaskPrompt | Mix:
    if isinstance(prompt, str):
        return TextPrompt(prompt)
    if type(prompt) not in PROMPTS:
        raise PromptError(_no_prompt(prompt))
    return prompt


def _no_prompt(value: object) -> str:
    return f"a prompt is a str, TextPrompt, MaskPrompt or Mix, not {type(value).__name__}"


def conditional_vector(prompt: TextPrompt | MaskPrompt | Mix, network: Network) -> Tensor:
    """Return the conditional vector (E,) of any prompt.

    Raises
    ------
    PromptError
        If a text is longer than what the model's text tower reads.
    """
    return PROMPTS[type(prompt)](prompt, network)


def _text_vector(prompt: TextPrompt, network: Network) -> Tensor:
    sentences = prompt.sentences()
    for each in sentences:
        if beyond := network.tokens_beyond(each):
            raise PromptError(
                f"the text {quoted(each)!r} is too long for the model by {beyond} tokens (words or "
                "parts of words), which it would not read; say it in fewer words"
            )
    return network.text_vectors(sentences).mean(0)


def _mask_vector(prompt: MaskPrompt, network: Network) -> Tensor:
    return network.mask_vector(prompt)


def _mix_vector(prompt: Mix, network: Network) -> Tensor:
    text, mask = _text_vector(prompt.text, network), _mask_vector(prompt.mask, network)
    return prompt.weight * text + (1 - prompt.weight) * mask


PROMPTS: dict[type, Callable[[Any, Network], Tensor]] = {
    TextPrompt: _text_vector,
    MaskPrompt: _mask_vector,
    Mix: _mix_vector,
}
