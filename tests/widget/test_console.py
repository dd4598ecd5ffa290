"""Runs from a script, on a viewer without a window and with a fake engine."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from superqt.utils import WorkerBase

import napari_clipseg
from napari_clipseg.engine.prompts import MaskPrompt, TextPrompt
from napari_clipseg.errors import EngineError, PromptError, SettingError
from napari_clipseg.widget.console import Session, _shelf_of, segment_layer
from napari_clipseg.widget.request import PromptRow
from napari_clipseg.widget.shelf import Shelf


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    monkeypatch.setattr("napari_clipseg.widget.run.check_present", lambda model: None)
    return FakeEngine()


@pytest.fixture
def viewer(qapp: Any) -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def image(viewer: ViewerModel) -> Any:
    data = np.zeros((32, 40), np.uint8)
    data[4:10, 6:12], data[20:26, 24:34] = 200, 255
    return viewer.add_image(data, name="cells", contrast_limits=(0, 255))


def test_a_text_gives_its_probability_and_labels(viewer, image, engine):
    layers = Session(viewer, engine).segment(image, "bright")
    assert [each.name for each in layers] == [
        "cells: bright (probability)",
        "cells: bright (labels)",
    ]
    np.testing.assert_array_equal(layers[1].data > 0, image.data > 128)
    assert not WorkerBase._worker_set


def test_prompts_of_all_kinds_are_taken(viewer, image, engine):
    mask = MaskPrompt(image.data, image.data == 200, name="mask")
    example = viewer.add_labels((image.data == 255).astype(np.uint8), name="example")
    asks = [TextPrompt("bright"), mask, example, PromptRow(7, "dark", name="night")]
    layers = Session(viewer, engine).segment(image, asks)
    names = [each.name for each in layers[:4]]
    assert names == [f"cells: {t} (probability)" for t in ("bright", "mask", "example", "night")]
    assert len({str(each.colormap.colors[-1]) for each in layers[:4]}) == 4


def test_a_session_encodes_once_and_updates_its_layers(viewer, image, engine):
    session = Session(viewer, engine)
    first = session.segment(image, "bright", instances=False)
    again = session.segment(image, "bright", instances=True)
    session.segment(image, "dark")
    assert first == again
    assert (len(engine.loaded), len(engine.prepared), engine.encoded) == (1, 1, 4)


def test_the_threshold_is_the_models_unless_one_is_given(viewer, image, engine):
    engine.threshold = 0.9
    session = Session(viewer, engine)
    _, labels = session.segment(image, "bright")
    assert labels.data.max() == 1
    _, labels = session.segment(image, "bright", threshold=0.5)
    assert labels.data.max() == 2
    _, labels = session.segment(image, PromptRow(0, "bright", threshold=0.6))
    assert labels.data.max() == 2


def test_a_failure_is_raised_and_leaves_no_half_result(viewer, image, engine):
    engine.failure, engine.tiles_before_failure = RuntimeError("it broke"), 1
    with pytest.raises(EngineError, match="it broke"):
        Session(viewer, engine).segment(image, "bright")


def test_what_cannot_be_asked_is_refused(viewer, image, engine):
    session = Session(viewer, engine)
    with pytest.raises(SettingError, match="no option zooom; there are channel_axis, channels"):
        session.segment(image, "bright", zooom=2)
    with pytest.raises(PromptError, match="not int"):
        session.segment(image, [3])
    with pytest.raises(PromptError, match="type a prompt"):
        session.segment(image, [])


def test_without_waiting_the_layers_are_filled_in_the_background(viewer, image, engine, qtbot):
    engine.gate.clear()
    (probability,) = Session(viewer, engine).begin(image, "bright", threshold=0.5)
    assert not probability.data.any()
    engine.gate.set()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3 and not WorkerBase._worker_set, timeout=20_000)
    np.testing.assert_array_equal(probability.data > 0.5, image.data > 128)


def test_the_public_function_is_this_one(viewer, image, engine, monkeypatch):
    assert napari_clipseg.segment_layer is segment_layer
    monkeypatch.setattr(Session.__init__, "__defaults__", (engine, None))
    assert len(segment_layer(viewer, image, ["bright", "dark"])) == 3


def test_a_second_call_updates_the_layers_of_the_first_and_no_others(
    viewer, image, engine, monkeypatch
):
    monkeypatch.setattr(Session.__init__, "__defaults__", (engine, None))
    own = viewer.add_image(np.ones((32, 40), np.float32), name="cells: bright (probability)")
    first = segment_layer(viewer, image, "bright")
    again = segment_layer(PublicOnlyProxy(viewer), image, "bright")
    assert again == first
    assert own not in first
    np.testing.assert_array_equal(own.data, 1)
    assert len(viewer.layers) == 4
    other = ViewerModel()
    there = other.add_image(image.data, name="cells")
    assert not set(segment_layer(other, there, "bright")) & set(first)


def test_layers_that_were_removed_are_made_anew_and_not_kept(viewer, image, engine, monkeypatch):
    monkeypatch.setattr(Session.__init__, "__defaults__", (engine, None))
    first = segment_layer(viewer, image, "bright")
    shelf = _shelf_of(viewer)
    assert first == [each.layer for each in _kept(shelf)]
    for layer in first:
        viewer.layers.remove(layer)
    assert _kept(shelf) == []
    assert not set(segment_layer(viewer, image, "bright")) & set(first)


def _kept(shelf: Shelf) -> list[Any]:
    return [*shelf._probability.values(), *shelf._labels.values()]


def test_what_is_kept_of_a_viewer_goes_with_it(qapp, engine):
    viewer = ViewerModel()
    shelf = weakref.ref(_shelf_of(viewer))
    del viewer
    gc.collect()
    assert shelf() is None


def test_a_call_leaves_layers_alone_that_another_fills_in_the_background(
    viewer, image, engine, monkeypatch, qtbot
):
    monkeypatch.setattr(Session.__init__, "__defaults__", (engine, None))
    engine.gate.clear()
    (first,) = segment_layer(viewer, image, "bright", wait=False)
    (second,) = segment_layer(viewer, image, "bright", wait=False)
    assert first is not second
    engine.gate.set()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5 and not WorkerBase._worker_set, timeout=20_000)
    assert segment_layer(viewer, image, "bright")[0] is first


def test_a_session_keeps_what_runs_in_the_background_have_made(viewer, image, engine, qtbot):
    session = Session(viewer, engine)

    def done() -> bool:
        return len(viewer.layers) >= 3 and not WorkerBase._worker_set

    (first,) = session.begin(image, "bright")
    qtbot.waitUntil(done, timeout=20_000)
    (again,) = session.begin(image, "bright", threshold=0.9)
    qtbot.waitUntil(lambda: not session._controller.layers and done(), timeout=20_000)
    assert first is again
    probability, labels = session.segment(image, "bright")
    assert probability is first
    assert [each.name for each in viewer.layers] == ["cells", probability.name, labels.name]
    assert (len(engine.loaded), len(engine.prepared), engine.encoded) == (1, 1, 4)


def test_a_session_does_one_run_at_a_time(viewer, image, engine, qtbot):
    engine.gate.clear()
    session = Session(viewer, engine)
    session.begin(image, "bright")
    for call in (session.begin, session.segment):
        with pytest.raises(SettingError, match="going on in the background"):
            call(image, "dark")
    engine.gate.set()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3 and not WorkerBase._worker_set, timeout=20_000)
    assert engine.decoded == [["bright"]]
