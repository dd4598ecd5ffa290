from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import napari_clipseg.model.catalog as catalog
from napari_clipseg.model.catalog import BACKBONES, DEFAULT_MODEL, MODELS, Bundled, Hub
from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.weights import check_sha256

ENTRIES = {**MODELS, **BACKBONES}
HOME = Path(catalog.__file__).parent


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_says_what_it_is_where_from_and_under_which_licence(name):
    entry = ENTRIES[name]
    assert entry.name == name
    assert entry.summary.endswith(".")
    assert entry.licence
    assert len(entry.licence_note) > 40
    assert entry.size_bytes > 0
    assert entry.sha256 is None or len(entry.sha256) == 64
    assert isinstance(entry.source, Bundled) or entry.source.repo.count("/") == 1


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_a_network_of_the_size_it_says(name):
    entry = MODELS[name]
    if isinstance(entry.source, Bundled):
        path = HOME / entry.source.file
        check_sha256(path, entry.sha256)
        assert isinstance(load_model(name), CLIPSeg)
        assert path.stat().st_size == pytest.approx(entry.size_bytes, rel=0.25)
    else:
        with torch.device("meta"):
            model = CLIPSeg(entry.config)
        in_float32 = 4 * sum(parameter.numel() for parameter in model.parameters())
        assert in_float32 == pytest.approx(entry.size_bytes, rel=0.01)


@pytest.mark.parametrize(
    "name", [key for key, entry in MODELS.items() if isinstance(entry.source, Hub)]
)
def test_what_the_authors_and_the_hub_say_about_the_licence_is_both_told(name):
    note = MODELS[name].licence_note
    assert "no licence" in note
    assert "apache-2.0" in note


def test_the_default_model_needs_no_network():
    assert isinstance(MODELS[DEFAULT_MODEL].source, Bundled)


def test_names_and_places_of_weights_are_told_without_torch():
    code = (
        "import sys, napari_clipseg.model.weights, napari_clipseg.model.catalog;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'open_clip', 'qtpy', 'napari')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
