"""The example of the documentation runs as it stands there, on the model that ships."""

from pathlib import Path

import numpy as np
import pytest

from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.train.training_set import Painted, TrainingSet, write_data_set

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "ten-images.toml"


@pytest.mark.slow
def test_ten_images_teach_the_starter_a_concept(tmp_path, command):
    rng = np.random.default_rng(0)
    pictures = []
    for number in range(10):
        mask = np.zeros((140, 150), bool)
        mask[20 + 5 * number : 70 + 5 * number, 40:90] = True
        image = (rng.random(mask.shape) * 60 + 120 * mask).astype(np.uint8)
        pictures.append(Painted(f"well-{number}", image, {"slab": mask}))
    data = tmp_path / "data"
    write_data_set(data, TrainingSet("wells", {"slab": ["slabs", "bright slab"]}), pictures)
    text = (
        EXAMPLE.read_text().replace("steps = 150", "steps = 3").replace("warmup = 10", "warmup = 1")
    )
    (tmp_path / "ten-images.toml").write_text(text)
    out = tmp_path / "out"
    toml = tmp_path / "ten-images.toml"
    code, said, complaint = command("train", toml, "--data", data, "--output", out)
    assert code == 0, complaint
    assert "| wells | slab | 2 |" in said
    before, after = load_model("starter"), load_model(out / "model.safetensors")
    changed = {
        name.split(".")[0]
        for name, value in after.state_dict().items()
        if not np.allclose(value, before.state_dict()[name], atol=2e-3, rtol=2e-3)
    }
    assert changed <= {"decoder", "encoder"}
    text_tower = "encoder.clip.token_embedding.weight"
    assert np.array_equal(after.state_dict()[text_tower], before.state_dict()[text_tower])
    assert {"slabs", "bright slab"} <= set(after.learned.phrases)
    assert set(before.learned.phrases) <= set(after.learned.phrases)


def test_the_example_of_the_documentation_is_the_file():
    page = (ROOT / "docs" / "training.md").read_text()
    assert "examples/ten-images.toml" in page
    assert "napari-clipseg train examples/ten-images.toml" in page
