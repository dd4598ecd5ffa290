"""Commands in the how-to on large images run as they stand there."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import tifffile

PAGE = Path(__file__).parents[1] / "docs" / "large-images.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_commands_of_the_page_on_large_images_work(tmp_path, tiny_weights, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    image = np.random.default_rng(0).integers(0, 4000, (70, 90), dtype=np.uint16)
    (tmp_path / "scans").mkdir()
    for name in ("scan.tif", "cells.tif", "scans/a.tif", "scans/b.tif"):
        tifffile.imwrite(name, image)
    tifffile.imwrite("stack.tif", np.stack([image] * 4), photometric="minisblack")
    tifffile.imwrite("mask.tif", (image > 3000).astype(np.uint8))
    [recipe] = blocks("toml")
    Path("run.toml").write_text(recipe)
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) == 10
    for line in commands:
        if "run.json" in line:  # what the Python above it writes
            shutil.copy("results/scan.recipe.json", "run.json")
        program, *arguments = shlex.split(line)
        assert program == "napari-clipseg"
        if arguments[0] == "segment":
            arguments += ["--model", str(tiny_weights)]
        code, _, complaint = command(*arguments)
        assert code == 0, f"{line}: {complaint}"
