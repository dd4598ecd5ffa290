"""A data set of a few pixels, and a model whose answers are written in the pictures."""

import json

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 24, 40

ENTRY = {
    "name": "shapes",
    "kind": "masks",
    "concepts": {"disc": ["discs", "round things"], "bar": ["bars"], "cloud": ["clouds"]},
    "absent_mask_means_empty": True,
}


class PaintedModel:
    """A stand-in for a segmenter: what a prompt finds is a channel of the picture.

    Discs are found in red, bars in green, an example finds what is red, all else nothing.
    """

    model_name = "painted"
    threshold = 0.3
    weights_hash = "0" * 64

    def settings(self):
        return {"tile": 8}

    def probability(self, image, prompts, *, contrast="auto"):
        channels = {"discs": 0, "round things": 0, "bars": 1}
        found = []
        for prompt in prompts:
            channel = channels.get(prompt) if isinstance(prompt, str) else 0
            empty = np.zeros(image.shape[:2], np.float32)
            found.append(empty if channel is None else image[..., channel] / np.float32(255))
        return np.stack(found)


@pytest.fixture
def painted() -> PaintedModel:
    return PaintedModel()


@pytest.fixture
def shapes(tmp_path):
    """Three pictures: discs and bars where the model finds them, then half of it, then nothing."""
    folder = tmp_path / "shapes"
    for part in ("images", "masks/disc", "masks/bar"):
        (folder / part).mkdir(parents=True)
    for index, stem in enumerate(["a", "b", "c"]):
        image = np.full((HEIGHT, WIDTH, 3), 10, np.uint8)
        disc = np.zeros((HEIGHT, WIDTH), bool)
        disc[4:12, 4 : 12 + index] = True
        bar = np.zeros((HEIGHT, WIDTH), bool)
        bar[16:20, 2:30] = True
        image[disc, 0] = 230
        image[bar if index == 0 else bar & (np.arange(WIDTH) < 16), 1] = 230
        Image.fromarray(image).save(folder / "images" / f"{stem}.png")
        Image.fromarray(disc).save(folder / "masks" / "disc" / f"{stem}.png")
        if index < 2:
            Image.fromarray(bar).save(folder / "masks" / "bar" / f"{stem}.png")
    (folder / "val.txt").write_text("a.png\nb.png\nc.png\n")
    (tmp_path / "INDEX.json").write_text(json.dumps([ENTRY]))
    return folder
