"""The widget's run for scripts and for napari's console: no panel is needed."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakSet, WeakValueDictionary

from napari.layers import Labels, Shapes
from napari.utils import progress

from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt
from napari_clipseg.errors import PromptError, SettingError
from napari_clipseg.layers.results import add_quietly
from napari_clipseg.widget.controller import Controller
from napari_clipseg.widget.events import (
    Event,
    Loaded,
    PlaneBegun,
    PlaneDone,
    PlaneDropped,
    Progress,
)
from napari_clipseg.widget.job import Load, load_segmenter, perform
from napari_clipseg.widget.labelling import label_planes
from napari_clipseg.widget.labels_of_run import LabelsOfRun
from napari_clipseg.widget.memory import Memory
from napari_clipseg.widget.palette import next_color
from napari_clipseg.widget.prompting import AnyPrompt
from napari_clipseg.widget.request import PromptRow, ResultSettings, RunRequest
from napari_clipseg.widget.run import Run, prepare
from napari_clipseg.widget.shelf import Shelf

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Layer

Ask: TypeAlias = str | TextPrompt | MaskPrompt | Mix | Labels | Shapes | PromptRow
"""What a script may give as one prompt."""


def segment_layer(
    viewer: Viewer,
    layer: Image,
    prompts: Ask | Sequence[Ask],
    *,
    wait: bool = True,
    **options: Any,
) -> list[Layer]:
    """Find things in an image layer; the results become layers, exactly as with the panel.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Image
        The plane that is shown is segmented, unless ``planes`` says otherwise.
    prompts : str, Labels, Shapes, TextPrompt, MaskPrompt, Mix, PromptRow or a sequence of these
        What to find. A Labels layer is an example: its selected label counts. So is what is
        drawn in a Shapes layer.
    wait : bool
        True: return when all is done. False: return at once, while a worker fills the layers;
        if it fails, napari says so.
    **options
        The fields of :class:`~napari_clipseg.widget.request.RunRequest` (channels, level,
        region, planes, contrast, model, device, precision, zoom, memory_mb ...), those of
        :class:`~napari_clipseg.widget.request.ResultSettings` (competition, instances,
        min_size, fill_holes, smoothing), and ``threshold`` for prompts that bring none.

    Returns
    -------
    list of napari layers
        A probability for each prompt, then the labels; with ``wait=False`` the probabilities
        alone, for there are no labels yet.

    Raises
    ------
    ClipSegError
        If an option is unknown or there can be no run; with ``wait=True`` also if it fails.

    Notes
    -----
    Each call loads the model and encodes the image. To ask several times, keep a
    :class:`Session`. The same prompt on the same image updates the layers that an earlier call
    made in this viewer; while a call that is not waited for still fills its layers, another one
    makes layers of its own.

    Examples
    --------
    >>> from napari_clipseg import segment_layer
    >>> segment_layer(viewer, viewer.layers["cells"], ["nuclei", "debris"])  # doctest: +SKIP
    """
    session = Session(viewer, shelf=_shelf_of(viewer))
    return (session.segment if wait else session.begin)(layer, prompts, **options)


_SHELVES: WeakValueDictionary[int, Shelf] = WeakValueDictionary()
"""Of each viewer, by its id; the viewer's own events hold the shelf, so both go together."""

_IN_BACKGROUND: WeakSet[Controller] = WeakSet()
"""What may still fill layers of a shelf that the next call would take."""


def _shelf_of(viewer: Viewer) -> Shelf:
    """Return the shelf of earlier calls in a viewer, a new one while its layers are filled."""
    # plugins and scripts may hold the same viewer through proxies
    owner = inspect.unwrap(viewer)
    shelf = _SHELVES.get(id(owner))
    if shelf is None:
        shelf = _SHELVES[id(owner)] = Shelf(owner)
        owner.layers.events.removed.connect(partial(_forget, shelf))
    if any(each.fills(shelf) for each in _IN_BACKGROUND):
        return Shelf(owner)
    return shelf


def _forget(shelf: Shelf, event: Any) -> None:
    """Let go of the memory of a layer that left the viewer."""
    shelf.remove(event.value)


class Session:
    """Model, encoded images and result layers of a viewer, kept from one call to the next.

    Parameters
    ----------
    viewer : napari.Viewer
    load : callable
        How a model is loaded.
    shelf : Shelf, optional
        Result layers to go on with; empty if there is none.
    """

    def __init__(
        self, viewer: Viewer, load: Load = load_segmenter, shelf: Shelf | None = None
    ) -> None:
        self._viewer, self._load = viewer, load
        self._memory, self._shelf = Memory(), Shelf(viewer) if shelf is None else shelf
        self._unseen = _Unseen()
        self._controller: Controller | None = None

    def segment(self, layer: Image, prompts: Ask | Sequence[Ask], **options: Any) -> list[Layer]:
        """Do what :func:`segment_layer` does, and return when all is done."""
        call = _Call.of(layer, prompts, options)
        self._check_idle()
        if self._controller is not None:
            # it would label the same layers at the same time
            self._controller.close()
            self._controller = None
        run = prepare(self._viewer, call.request, self._shelf, self._memory, call.given)
        bar = progress(desc="CLIPSeg", total=0)
        with closing(bar), closing(perform(run.job, self._load)) as events:
            for event in events:
                self._handle(run, event, bar)
        labels = LabelsOfRun(run, self._shelf)
        labels.restart(call.thresholds(run), call.settings)
        while (task := labels.next_task()) is not None:
            for labelled in label_planes(task):
                labels.take(task, labelled)
        made = [each.layer for each in run.results] + [each.layer for each in labels.results]
        return [each for each in made if each in self._viewer.layers]

    def begin(self, layer: Image, prompts: Ask | Sequence[Ask], **options: Any) -> list[Layer]:
        """Do what :func:`segment_layer` does in a worker, and return at once."""
        call = _Call.of(layer, prompts, options)
        self._check_idle()
        if self._controller is None:
            self._controller = Controller(
                self._viewer, self._unseen, self._load, self._memory, self._shelf
            )
            _IN_BACKGROUND.add(self._controller)
        self._unseen.follow(call)
        self._controller.start(call.request, call.given)
        return list(self._controller.layers)

    def _check_idle(self) -> None:
        """Raise SettingError while a run of this session fills layers in the background."""
        if self._controller is not None and self._controller.layers:
            raise SettingError(
                "A run of this session is going on in the background: wait until it is done, or "
                "take another Session for a run at the same time."
            )

    def _handle(self, run: Run, event: Event, bar: Any) -> None:
        match event:
            case Loaded():
                self._memory.keep_segmenter(run.job.choice, event.segmenter, run.job.pace)
            case PlaneBegun():
                run.begin(event)
                for result in run.results:
                    self._shelf.keep(run.query, result)
                    add_quietly(self._viewer, result.layer)
            case Progress():
                bar.total = event.total
                bar.update(event.done - bar.n)
            case PlaneDone():
                run.finish(event)
            case PlaneDropped():
                run.drop(event)


@dataclasses.dataclass(frozen=True, slots=True)
class _Call:
    """What a call asks for; ``own_thresholds`` are those that are not left to the model."""

    request: RunRequest
    settings: ResultSettings
    given: Mapping[int, AnyPrompt]
    own_thresholds: Mapping[int, float]

    @classmethod
    def of(cls, layer: Image, prompts: Ask | Sequence[Ask], options: dict[str, Any]) -> _Call:
        """Return a call of prompts and options as a script gives them."""
        rest = dict(options)
        threshold = rest.pop("threshold", None)
        settings = {name: rest.pop(name) for name in _names(ResultSettings) & set(rest)}
        _check_known(rest)
        rows: list[PromptRow] = []
        for key, ask in enumerate(_each(prompts)):
            rows.append(_row(key, ask, [each.color for each in rows]))
        asks = dict(enumerate(_each(prompts)))
        given = {key: ask for key, ask in asks.items() if isinstance(ask, AnyPrompt)}
        own = {} if threshold is None else dict.fromkeys(asks, float(threshold))
        own |= {key: ask.threshold for key, ask in asks.items() if isinstance(ask, PromptRow)}
        return cls(RunRequest(layer, tuple(rows), **rest), ResultSettings(**settings), given, own)

    def thresholds(self, run: Run) -> dict[int, float]:
        """Return the threshold of each row: its own, or the one of the model's makers."""
        segmenter = run.memory.segmenter(run.job.choice)
        usual = 0.5 if segmenter is None else segmenter.threshold
        return {row.key: self.own_thresholds.get(row.key, usual) for row in self.request.prompts}


class _Unseen:
    """The view of a run that nobody watches: napari's own bar and messages must do."""

    def __init__(self) -> None:
        self._call, self._usual = _Call(RunRequest(None, ()), ResultSettings(), {}, {}), 0.5

    def follow(self, call: _Call) -> None:
        """Stand for the form of another call."""
        self._call = call

    def show_status(self, text: str) -> None:
        """Say nothing: failures are told by messages."""

    def show_encoded(self, text: str) -> None:
        """Say nothing."""

    def show_progress(self, done: int, total: int) -> None:
        """Leave it to the activity bar."""

    def show_running(self, running: bool) -> None:
        """Leave it to the activity bar."""

    def show_presence(self, sentences: Mapping[int, str]) -> None:
        """Say nothing."""

    def suggest_threshold(self, threshold: float) -> None:
        """Take the threshold of the model's makers."""
        self._usual = threshold

    def thresholds(self) -> Mapping[int, float]:
        """Return the threshold of every row."""
        rows = self._call.request.prompts
        return {row.key: self._call.own_thresholds.get(row.key, self._usual) for row in rows}

    def result_settings(self) -> ResultSettings:
        """Return how labels are to be made."""
        return self._call.settings


def _each(prompts: Ask | Sequence[Ask]) -> list[Ask]:
    if isinstance(prompts, Sequence) and not isinstance(prompts, str):
        return list(prompts)
    return [prompts]


def _check_known(options: Mapping[str, Any]) -> None:
    runs = _names(RunRequest) - {"image", "prompts"}
    unknown = sorted(set(options) - runs)
    if unknown:
        known = sorted({*runs, *_names(ResultSettings), "threshold"})
        raise SettingError(
            f"There is no option {' or '.join(unknown)}; there are {', '.join(known)}."
        )


def _names(kind: type[RunRequest | ResultSettings]) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def _row(key: int, ask: Ask, used: Sequence[str]) -> PromptRow:
    """Return the row that a person would have filled in for a prompt."""
    color = next_color(used)
    match ask:
        case PromptRow():
            return dataclasses.replace(ask, key=key)
        case str():
            return PromptRow(key, ask, color=color)
        case Labels() | Shapes():
            return PromptRow(key, example=ask, name=ask.name, color=color)
        case TextPrompt() | MaskPrompt() | Mix():
            return PromptRow(key, ask.name, color=color)
        case _:
            raise PromptError(
                "A prompt is a text, a Labels or Shapes layer with an example, a TextPrompt, "
                f"MaskPrompt, Mix or PromptRow, not {type(ask).__name__}."
            )
