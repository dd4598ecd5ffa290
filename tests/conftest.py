"""What all tests share: no network, a tiny random model, and the command line in this process."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from napari_clipseg.model.clipseg import CLIPSeg

LOCAL = {"127.0.0.1", "::1", "localhost"}

Said = tuple[int, str, str]
"""Exit code, stdout and stderr."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(scope="session")
def tiny_model() -> "CLIPSeg":
    """A random model of the real architecture that computes a tile in milliseconds."""
    import torch

    from napari_clipseg.model.clipseg import CLIPSeg
    from napari_clipseg.model.config import ModelConfig

    vision = {"image_size": 32, "layers": 3, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    config = ModelConfig(
        clip={"embed_dim": 16, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text},
        extract_layers=(0, 1, 2),
        reduce_dim=8,
        decoder_heads=2,
        decoder_mlp=16,
        tile=64,
        threshold=0.5,
    )
    torch.manual_seed(0)
    return CLIPSeg(config).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tiny_weights(tiny_model: "CLIPSeg", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a weights file."""
    from napari_clipseg.model.checkpoint import save_model

    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny_model, path, {})
    return path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line: takes its words, returns exit code, stdout and stderr."""
    from napari_clipseg.cli import main

    def command(*words: object) -> Said:
        with pytest.raises(SystemExit) as leaving:
            main([str(word) for word in words])
        return leaving.value.code, *capsys.readouterr()

    return command


@pytest.fixture
def tiny_training() -> str:
    """The TOML of a training that takes a second; [data] is left to the test."""
    return """
[model]
stem = [8, 16]
extract_layers = [0, 1]
reduce_dim = 32
decoder_mlp = 32
tile = 32
[model.clip]
embed_dim = 16
quick_gelu = false
vision_cfg = {image_size = 32, layers = 2, width = 32, head_width = 16, patch_size = 8}
text_cfg = {context_length = 8, vocab_size = 49408, width = 16, heads = 2, layers = 1}
[optim]
steps = 4
warmup = 1
[sampling]
batch = 2
prompts = 2
supports = 1
"""
