import json

import pytest

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
    assert said.startswith("| concept | n | IoU at 0.5 |")
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
    assert said.splitlines()[0].endswith("| classical | deconv |")


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
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(run, arguments, message):
    code, _, said = run(*arguments)
    assert code == 2
    assert message in said
    assert said.count("\n") == 1


def test_a_folder_that_is_not_there_is_named(run, tmp_path):
    code, _, said = run(data=tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in said
