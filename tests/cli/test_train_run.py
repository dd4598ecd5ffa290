import numpy as np
import pytest
from PIL import Image

from napari_clipseg.cli import train_run
from napari_clipseg.train.validation import Validation


@pytest.fixture
def run(tmp_path, tiny_training, command):
    """Train on pictures with one mask each, in the folder ``out``; return what is said."""
    folder = tmp_path / "data" / "cells"
    for part in ("images", "masks/nucleus"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    half = np.repeat(np.array([0, 255], np.uint8), 20)[None].repeat(48, 0)
    for stem in ("a", "b"):
        picture = rng.integers(0, 255, (48, 40)).astype(np.uint8)
        Image.fromarray(picture).save(folder / "images" / f"{stem}.png")
        Image.fromarray(half).save(folder / "masks" / "nucleus" / f"{stem}.png")
    (folder / "train.txt").write_text("a.png\n")
    (folder / "val.txt").write_text("b.png\n")
    (folder.parent / "INDEX.json").write_text(
        '[{"name": "cells", "use": "train", "kind": "masks", "domain": "microscopy",'
        ' "concepts": {"nucleus": ["nuclei"]}, "absent_mask_means_empty": true}]'
    )
    toml = tmp_path / "run.toml"
    toml.write_text(f"{tiny_training}\n[data.weights]\ncells = 1\n")
    where = ("--data", folder.parent, "--output", tmp_path / "out", "--device", "cpu")
    return lambda *more: command("train", toml, *where, *more)


def test_validation_without_masks_is_said_to_have_none(run, monkeypatch):
    monkeypatch.setattr("napari_clipseg.train.loop.validate", lambda *_: Validation((), np.nan))
    code, said, complaint = run()
    assert code == 0, complaint
    assert "no validation picture has a mask, so steps could not be compared" in said


def test_a_damaged_checkpoint_is_one_line_and_a_new_run_needs_none(run, tmp_path):
    assert run()[0] == 0
    (tmp_path / "out" / "checkpoint.pt").write_bytes(b"")
    code, _, complaint = run("--resume")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "checkpoint.pt is damaged" in complaint
    assert run()[0] == 0


def test_a_run_is_resumed_although_its_log_was_lost(run, tmp_path):
    assert run()[0] == 0
    (tmp_path / "out" / "log.csv").write_text("")
    code, said, complaint = run("--resume")
    assert code == 0, complaint
    assert "the weights after step 4 are in" in said


def test_a_file_that_ends_too_early_is_not_taken_for_ctrl_c(run, monkeypatch):
    def cut_short(*_):
        raise EOFError("the file ends too early")

    monkeypatch.setattr(train_run, "read_training", cut_short)
    with pytest.raises(EOFError, match="ends too early"):
        run()
