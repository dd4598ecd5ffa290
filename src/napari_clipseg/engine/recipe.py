"""The record of a run, with which it can be repeated."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_clipseg.engine.competition import Contestant
from napari_clipseg.engine.labels import LabelSettings
from napari_clipseg.engine.prompts import MaskPrompt, Mix, Prompt, TextPrompt, as_prompts
from napari_clipseg.engine.region import Region
from napari_clipseg.engine.shape import NUMBER, Shape, check
from napari_clipseg.errors import SettingError

if TYPE_CHECKING:
    from napari_clipseg.engine.segmenter import Segmenter

_SHAPE: Shape = {
    "model": str,
    "weights": str,
    "prompts": [{}],
    "contrast": [NUMBER],
    "threshold": NUMBER,
    "settings": {},
    "versions": {},
    "job?": {},
}
"""A record as JSON."""

RECORDED_PACKAGES = ("napari-clipseg", "torch", "open_clip_torch", "numpy")
"""Packages whose versions can change a result."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """All settings of a run, made of JSON values only.

    Parameters
    ----------
    model : str
        Name or path of the model.
    weights : str
        SHA-256 of its weights.
    prompts : tuple of dict
        Each prompt: its text and templates; the digests of its image and mask, the contrast window
        of its image and, where there is one, the value that stands for "nothing here" as text,
        since JSON knows no NaN; the weight of a mix.
    contrast : (float, float)
        The values that became black and white.
    threshold : float
        Probability above which a pixel was labelled.
    settings : dict
        tile, overlap, zoom, window, batch, precision and device.
    versions : dict
        Versions of the packages that took part.
    job : dict
        How the result came about beyond the model; see the notes.

    Notes
    -----
    Keys of ``job``, each there only where it says something:

    - ``file``, ``options``, ``found``: of a run on a file, which file, how it was read and
      written, and what was found;
    - ``labels``: how labels were made: ``competition``, ``instances``, ``min_size``,
      ``fill_holes``, ``smoothing`` and, one for each prompt, ``thresholds`` and ``negative``;
    - ``regions``: the parts that were asked for, each as :meth:`Region.to_json` writes it or,
      where an earlier part is not known, as words;
    - ``plane`` and ``level``: which plane of which level of a pyramid was read, and further
      names of what was read that a viewer knows (layers, channels).

    Templates are with the prompts.
    """

    model: str
    weights: str
    prompts: tuple[dict[str, Any], ...]
    contrast: tuple[float, float]
    threshold: float
    settings: dict[str, Any]
    versions: dict[str, str]
    job: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        segmenter: Segmenter,
        prompts: Prompt | Sequence[Prompt],
        contrast: tuple[float, float],
        threshold: float,
    ) -> Recipe:
        """Return the record of a run of a segmenter with these prompts."""
        return cls(
            model=segmenter.model_name,
            weights=segmenter.weights_hash,
            prompts=tuple(_DESCRIBE[type(each)](each) for each in as_prompts(prompts)),
            contrast=(float(contrast[0]), float(contrast[1])),
            threshold=float(threshold),
            settings=segmenter.settings(),
            versions={name: version(name) for name in RECORDED_PACKAGES},
        )

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """How each prompt took part when labels were made."""
        labels, count = self.job.get("labels", {}), len(self.prompts)
        thresholds = labels.get("thresholds", [self.threshold] * count)
        negative = labels.get("negative", [False] * count)
        return tuple(map(Contestant, thresholds, negative))

    @property
    def label_settings(self) -> LabelSettings:
        """How labels were made, but for what is in :attr:`contestants`."""
        labels = {**self.job.get("options", {}), **self.job.get("labels", {})}
        names = ("min_size", "fill_holes", "smoothing")
        return LabelSettings(
            self.threshold, **{name: labels[name] for name in names if name in labels}
        )

    @property
    def regions(self) -> tuple[Region, ...]:
        """The parts that were asked for; none: the whole image."""
        return tuple(
            Region.from_json(each) for each in self.job.get("regions", []) if isinstance(each, dict)
        )

    def to_json(self) -> str:
        """Return the record as readable JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Return the record that :meth:`to_json` wrote.

        Raises
        ------
        SettingError
            If the text is no such record; fields that are missing, unknown or of a wrong kind
            are named.
        """
        try:
            fields = json.loads(text)
            _check_names(fields)
            check(fields, _SHAPE)
            low, high = fields["contrast"]
            return cls(**{**fields, "contrast": (low, high), "prompts": tuple(fields["prompts"])})
        except (TypeError, ValueError) as error:
            raise SettingError(
                f"the text is no recipe: {error}; give one as a run has recorded it"
            ) from error


def _check_names(fields: Any) -> None:
    if not isinstance(fields, dict):
        raise TypeError(f"it holds {type(fields).__name__}, not fields with names")
    known = [each.name for each in dataclasses.fields(Recipe)]
    missing = [name for name in known if name not in fields and name != "job"]
    unknown = [name for name in fields if name not in known]
    for fault, names in (("misses", missing), ("has the unknown", unknown)):
        if names:
            raise ValueError(f"it {fault} {', '.join(names)}")


def _describe_text(prompt: TextPrompt) -> dict[str, Any]:
    return {"text": prompt.text, "templates": list(prompt.templates)}


def _describe_mask(prompt: MaskPrompt) -> dict[str, Any]:
    pixels = prompt.pixels()
    nodata = {} if prompt.nodata is None else {"nodata": str(prompt.nodata)}
    return {
        "mask": prompt.digest(),
        "image": pixels.digest(),
        "name": prompt.name,
        "contrast": list(pixels.contrast),
        **nodata,
    }


def _describe_mix(prompt: Mix) -> dict[str, Any]:
    return {**_describe_text(prompt.text), **_describe_mask(prompt.mask), "weight": prompt.weight}


_DESCRIBE: dict[type, Any] = {
    TextPrompt: _describe_text,
    MaskPrompt: _describe_mask,
    Mix: _describe_mix,
}
