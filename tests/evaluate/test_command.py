import csv
import json
import shutil

import pytest

from napari_clipseg.cli.evaluate_run import short_names
from napari_clipseg.model.baselines import CLIPDeconv, save_baseline
from napari_clipseg.model.config import ModelConfig


@pytest.fixture
def run(shapes, tiny_weights, command):
    """Run a command on the data set; return exit code, stdout and stderr."""

    def run(*arguments, data=shapes, words=("evaluate",)):
        given = (data, "--model", tiny_weights, "--output", shapes.parent / "out")
        return command(*words, *given, *arguments)

    return run


@pytest.mark.parametrize("task", ["referring", "zero-shot", "one-shot"])
def test_every_task_prints_a_table_and_writes_files(run, shapes, task):
    code, said, _ = run("--task", task, "--limit", "2", "--absent", "ghost")
    assert code == 0
    own = "IoU" if task == "zero-shot" else "IoU at 0.5"
    assert said.startswith(f"| concept | n | {own} |")
    assert f"task {task}, 2 of 3 pictures" in said
    results = json.loads((shapes.parent / "out" / "results.json").read_text())
    assert results["run"]["task"] == task
    assert [row["concept"] for row in results["rows"]][:2] == ["disc", "bar"]


def test_baselines_with_weights_are_columns(run, shapes, tiny_model, tmp_path):
    config = ModelConfig(
        clip=tiny_model.config.clip, extract_layers=(1,), reduce_dim=8, decoder_mlp=8, tile=64
    )
    save_baseline(CLIPDeconv(config).eval(), tmp_path / "deconv.safetensors", {})
    code, said, _ = run("--limit", "1", "--baseline", tmp_path / "deconv.safetensors")
    assert code == 0
    assert said.splitlines()[0].endswith("| classical | deconv at 0.3 (best) |")


def test_own_models_are_compared_in_one_run(run, shapes, tiny_weights, tmp_path):
    other = tmp_path / "other" / tiny_weights.name
    other.parent.mkdir()
    shutil.copy(tiny_weights, other)
    code, said, _ = run("--model", other)
    assert code == 0
    assert said.splitlines()[0].endswith("| classical | other/tiny at 0.5 (best) |")
    results = json.loads((shapes.parent / "out" / "results.json").read_text())
    own, copied = results["run"]["models"].values()
    assert own == copied
    assert list(results["run"]["models"])[1] == "other/tiny"
    first = results["rows"][0]
    assert first["others"]["other/tiny"]["iou"] == first["iou"]
    [head, disc, *_] = csv.reader((shapes.parent / "out" / "results.csv").read_text().splitlines())
    assert disc[head.index("other/tiny_full_ap")] == disc[head.index("full_ap")]


def test_names_are_as_short_as_they_can_be(tmp_path):
    (tmp_path / "a.v2.safetensors").touch()
    (tmp_path / "starter.safetensors").touch()
    file = str(tmp_path / "a.v2.safetensors")
    assert short_names(["starter", file]) == ["starter", "a.v2"]
    assert short_names(["CIDAS/rd64", "mine/rd64"]) == ["CIDAS/rd64", "mine/rd64"]
    assert short_names(["v1.5", "v1.6"]) == ["v1.5", "v1.6"]
    own = str(tmp_path / "starter.safetensors")
    assert short_names(["starter", own]) == ["starter", f"{tmp_path.name}/starter"]


def test_results_say_where_the_pictures_came_from(run, shapes):
    code, said, _ = run("--limit", "2", "--absent", "ghost")
    assert code == 0
    assert "on shapes, split val, task referring, 2 of 3 pictures" in said
    written = json.loads((shapes.parent / "out" / "results.json").read_text())["run"]
    assert (written["split"], written["format"], written["fold"]) == ("val", "folder", None)
    assert (written["limit"], written["absent_words"]) == (2, ["ghost"])
    page = (shapes.parent / "out" / "report.html").read_text()
    assert "split val" in page


def test_a_warning_stands_beside_the_papers_ap(run):
    _, said, _ = run("--limit", "1")
    assert "| AP | full AP |" in said.splitlines()[0]
    assert "a better model can have a lower one" in said
    _, said, _ = run("--limit", "1", "--task", "zero-shot")
    assert "a better model" not in said


def test_the_visual_prompt_study_prints_and_writes_every_variant(run, shapes):
    code, said, _ = run("--limit", "1", "--word", "cloud", words=("study", "visual-prompts"))
    assert code == 0
    assert "| crop, blurred, 10 % |" in said
    written = json.loads((shapes.parent / "out" / "visual-prompts.json").read_text())
    assert len(written) == 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "test"], "it has val"),
        (["--format", "cityscapes"], "coco-panoptic"),
        (["--fold", "1"], "has no folds"),
        (["--task", "guessing"], "one-shot"),
        (["--model", "starter", "--baseline", "starter"], "named twice"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(run, arguments, message):
    code, _, said = run(*arguments)
    assert code == 2
    assert message in said
    assert said.count("\n") == 1


def test_nothing_measured_is_an_error_and_writes_nothing(run, shapes):
    (shapes / "val.txt").write_text("a.png\n")
    code, said, complaint = run("--task", "one-shot")
    assert (code, said) == (2, "")
    assert "nothing was measured" in complaint
    assert not list((shapes.parent / "out").iterdir())


def test_a_folder_that_is_not_there_is_named(run, tmp_path):
    code, _, said = run(data=tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in said
