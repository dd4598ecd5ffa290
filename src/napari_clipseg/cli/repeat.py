"""The record of a run as options that repeat it, and what of the run they do not repeat."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from napari_clipseg.engine.shape import NUMBER, Misshapen, check

if TYPE_CHECKING:
    from napari_clipseg.cli.segment import SegmentJob
    from napari_clipseg.engine.segmenter import Segmenter

REPEATED = ("tile", "overlap", "zoom", "batch", "precision", "device")
"""Settings of a recorded run that are options of their own."""

LABELLED = ("min_size", "fill_holes", "smoothing")
"""How labels were made by a run in napari, by the names of options."""

PROMPT = {"text?": str, "templates?": [str], "mask?": str, "image?": str, "weight?": NUMBER}

LABELS = {
    "thresholds?": [NUMBER],
    "negative?": [bool],
    "titles?": [str],
    "competition?": bool,
    "instances?": bool,
    "min_size?": int,
    "fill_holes?": int,
    "smoothing?": NUMBER,
}

JOB = {
    "contrast?": (str, list),
    "options?": {},
    "labels?": LABELS,
    "regions?": list,
    "plane?": str,
    "axes?": [int],
    "level?": int,
    "channels?": (list, NoneType),
    "channel_axis?": (int, NoneType),
}

SETTINGS = {
    **{name: int for name in ("tile", "overlap", "batch")},
    **{name: str for name in ("precision", "device", "window?")},
    "zoom": [NUMBER],
}

RECORD = {
    "model": str,
    "weights?": str,
    "prompts": [PROMPT],
    "contrast": [NUMBER],
    "threshold": NUMBER,
    "settings": SETTINGS,
    "versions?": {},
    "job?": JOB,
}
"""The shape of :class:`napari_clipseg.engine.recipe.Recipe` as JSON, as far as it is read."""


def is_record(values: Mapping[str, Any]) -> bool:
    """Return whether the fields of a JSON file are those of a record, rather than options."""
    return bool({"settings", "prompts", "weights"} & values.keys())


def only_record(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the record of the one plane in the metadata of a layer, anything else as it is.

    Raises
    ------
    Misshapen
        If there are records of several planes.
    """
    if not values or not all(re.fullmatch(r"\[.*\]", name) for name in values):
        return values
    check(values, {name: str for name in values})
    if len(values) > 1:
        raise Misshapen(
            f"the file holds the records of {len(values)} planes; write the value of one, such as "
            f"{next(iter(values))!r}, to a file"
        )
    (text,) = values.values()
    record = json.loads(text)
    check(record, {})
    return dict(record)


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A recorded run that is to be repeated.

    Parameters
    ----------
    path : Path
        File that it stands in.
    fields : dict
        Of :data:`RECORD`.
    """

    path: Path
    fields: Mapping[str, Any]

    @classmethod
    def checked(cls, path: Path, fields: Mapping[str, Any]) -> Record:
        """Return the record of a file.

        Raises
        ------
        Misshapen
            If a field is missing or of another kind.
        """
        check(fields, RECORD)
        return cls(path, fields)

    @property
    def job(self) -> Mapping[str, Any]:
        """How the result came about beyond the model."""
        return dict(self.fields.get("job", {}))

    def options(self) -> dict[str, Any]:
        """Return the options that repeat the run, by the names of the fields of a job."""
        fields, job = self.fields, self.job
        labels = job.get("labels", {})
        return {
            "model": fields["model"],
            # "auto" stays so: the same image has the same window again, another one its own
            "contrast": "auto" if job.get("contrast") == "auto" else fields["contrast"],
            "threshold": fields["threshold"],
            **_prompts(self.path, fields["prompts"]),
            **{name: fields["settings"][name] for name in REPEATED},
            **{name: labels[name] for name in LABELLED if name in labels},
            **({"channels": self._channels()} if self._channels() else {}),
            **job.get("options", {}),
        }

    @property
    def plane(self) -> tuple[int, ...] | None:
        """Indices of the plane of a run in napari, None where the last two axes do not span it.

        That of an axis of channels is left out.
        """
        axis, spans = self.job.get("channel_axis"), self.job.get("axes", [])
        indices = [each.strip() for each in self.job.get("plane", "[:, :]").strip("[]").split(",")]
        if axis is not None and -len(indices) <= axis < len(indices):
            del indices[axis]
        leading = indices[:-2]
        if spans != sorted(spans) or not all(each.isdecimal() for each in leading):
            return None
        return tuple(map(int, leading))

    def _channels(self) -> list[int]:
        """Return the channels that an axis of the image holds, none where they were layers."""
        channels = self.job.get("channels") or []
        numbered = self.job.get("channel_axis") is not None
        return channels if numbered and all(type(each) is int for each in channels) else []

    def remarks(self, job: SegmentJob, segmenter: Segmenter) -> Iterator[str]:
        """Yield a sentence for each thing of the run that a job does not repeat."""
        labels = self.job.get("labels", {})
        if any(labels.get("negative", ())):
            yield "negative prompts get labels like the others here"
        if len(set(labels.get("thresholds", ()))) > 1:
            yield "all prompts get one threshold here, that of the first"
        if labels.get("competition") and len(labels.get("titles", ())) > 1:
            yield "prompts do not compete here: their labels may overlap"
        if labels.get("instances") is False:
            yield "labels number objects here, not prompts"
        if self.job.get("regions"):
            yield "the whole plane is done here, not only the parts that were asked for"
        yield from self._remarks_on_image(job)
        yield from self._remarks_on_model(job, segmenter)

    def _remarks_on_image(self, job: SegmentJob) -> Iterator[str]:
        level = self.job.get("level", 0)
        if level and not job.level:
            yield f"it was level {level} of a pyramid: give --level {level}"
        plane = self.job.get("plane", "")
        if not job.plane and self.plane is None:
            yield f"it was plane {plane}, which does not lie along height and width of a file"
        elif not job.plane and self.plane:
            yield f"it was plane {plane} of a stack"
        channels = self.job.get("channels")
        if channels and not self._channels() and job.channels is None:
            names = ", ".join(map(str, channels))
            yield (
                f"its colours were the layers {names}: give a file that holds them all, and "
                "--channels"
            )

    def _remarks_on_model(self, job: SegmentJob, segmenter: Segmenter) -> Iterator[str]:
        model, window = self.fields["model"], self.fields["settings"].get("window")
        if window not in (None, segmenter.window):
            yield f"its tiles were blended by {window!r}, here by {segmenter.window!r}"
        weights = self.fields.get("weights")
        if job.model == model and weights not in (None, segmenter.weights_hash):
            yield (
                f"it was made with other weights of {model!r} ({weights[:12]}, here "
                f"{segmenter.weights_hash[:12]}): the result will differ"
            )
        recorded = self.fields.get("versions", {}).items()
        others = [f"{name} {then}" for name, then in recorded if _installed(name) != then]
        if others:
            yield f"it was made with {', '.join(others)}: the result may differ a little"


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except ImportError:
        return None


def _prompts(path: Path, prompts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the options of recorded prompts; the mask of an example is left to be given."""
    texts = {"prompt": [each["text"] for each in prompts if "text" in each], **_template(prompts)}
    painted = [each for each in prompts if "mask" in each]
    if not painted:
        return texts
    weight = painted[0].get("weight")
    examples = {(each["mask"], each.get("image"), each.get("weight")) for each in painted}
    if len(examples) > 1 or (weight is not None and len(painted) < len(prompts)):
        raise click.UsageError(
            f"the recipe {path} has several examples, or texts with and without one, which one "
            "command cannot repeat; give its prompts by --prompt, --support-mask and --mix instead"
        )
    mix = {} if weight is None else {"mix": weight}
    return {**texts, **mix, "support_mask": _asking(path)}


def _template(prompts: Sequence[Mapping[str, Any]]) -> Mapping[str, list[str]]:
    """Return the templates of the recorded texts, which are the same for all of a run."""
    recorded = [each["templates"] for each in prompts if "templates" in each]
    return {"template": recorded[0]} if recorded else {}


def _asking(path: Path) -> Callable[[], NoReturn]:
    """Return a default that click calls, to an error, only where the option is not given."""

    def ask() -> NoReturn:
        raise click.UsageError(
            f"the recipe {path} is of a run with a painted example, which it does not hold: give "
            "its mask with --support-mask, and with --support-image the image that the mask "
            "belongs to if that was another one"
        )

    return ask
