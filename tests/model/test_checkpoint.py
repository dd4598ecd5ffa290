from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_clipseg.errors import OutputError, WeightsInvalid, WeightsNotFound
from napari_clipseg.model import weights
from napari_clipseg.model.checkpoint import load_model, read_metadata, save_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.layout_hf import hf_config
from napari_clipseg.model.layouts import LAYOUTS

State = dict[str, Tensor]

OPENAI_EXTRAS = {
    "input_resolution": torch.tensor(64),
    "context_length": torch.tensor(77),
    "vocab_size": torch.tensor(49408),
}


@pytest.fixture
def model(tiny_model) -> CLIPSeg:
    return tiny_model()


@pytest.fixture
def own_file(model, tmp_path) -> Path:
    path = tmp_path / "own.safetensors"
    save_model(model, path, {"note": "made by a test"})
    return path


def part(model: CLIPSeg, prefix: str) -> State:
    state = model.state_dict()
    return {
        name.removeprefix(prefix): tensor.clone()
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def clip_of(model: CLIPSeg) -> State:
    return part(model, "encoder.clip.")


def decoder_of(model: CLIPSeg) -> State:
    return part(model, "decoder.")


def assert_same(actual: CLIPSeg, expected: CLIPSeg, **tolerance: float) -> None:
    pixel_values = torch.randn(1, 3, 64, 96)
    for texts in (["a cat", "nuclei"],):
        torch.testing.assert_close(
            actual.logits(pixel_values, actual.text_vectors(texts)),
            expected.logits(pixel_values, expected.text_vectors(texts)),
            **tolerance,
        )
    torch.testing.assert_close(
        actual.image_vectors(pixel_values), expected.image_vectors(pixel_values), **tolerance
    )


def rewrite(path: Path, change: Callable[[State], Any], metadata: dict[str, str] | None = None):
    tensors, kept = load_file(path), read_metadata(path)
    change(tensors)
    save_file(tensors, path, {**kept, **(metadata or {})})


# our own layout


def test_a_saved_model_comes_back_exactly(model, own_file):
    loaded = load_model(own_file)
    assert loaded.config.to_json() == model.config.to_json()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert_same(loaded, model)


def test_a_loaded_model_is_in_evaluation_mode_frozen_and_complete(own_file):
    loaded = load_model(own_file)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    tensors = [*loaded.parameters(), *loaded.buffers()]
    assert {tensor.device.type for tensor in tensors} == {"cpu"}
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_constants_that_no_file_holds_are_those_of_a_model_built_in_the_usual_way(own_file):
    loaded = load_model(own_file)
    fresh = CLIPSeg(loaded.config)
    constants = dict(loaded.named_buffers())
    assert constants.keys() == dict(fresh.named_buffers()).keys()
    for name, tensor in fresh.named_buffers():
        assert torch.equal(constants[name], tensor), name


def test_half_precision_files_are_half_as_large_and_read_as_float32(model, own_file, tmp_path):
    path = tmp_path / "half.safetensors"
    save_model(model, path, {}, dtype=torch.float16)
    assert path.stat().st_size < 0.51 * own_file.stat().st_size
    loaded = load_model(path)
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}
    assert_same(loaded, model, atol=0.05, rtol=0)


def test_metadata_is_read_without_the_tensors(own_file):
    metadata = read_metadata(own_file)
    assert metadata["note"] == "made by a test"
    assert metadata["format"] == "napari-clipseg"
    assert json.loads(metadata["config"])["reduce_dim"] == 16


def test_a_model_with_a_stem_and_another_head_comes_back(tiny_model, tmp_path):
    model = tiny_model(stem=(4, 8, 16), head="refined", extra_blocks=1, extract_layers=(1, 2, 4))
    save_model(model, tmp_path / "a.safetensors", {})
    assert_same(load_model(tmp_path / "a.safetensors"), model)


def test_a_file_is_replaced_only_when_the_new_one_is_complete(model, own_file, monkeypatch):
    before = own_file.read_bytes()

    write = Path.write_bytes

    def breaks_off(path: Path, content: bytes) -> None:
        write(path, content[:9])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", breaks_off)
    with pytest.raises(OutputError, match="No space left"):
        save_model(model, own_file, {})
    monkeypatch.undo()
    assert own_file.read_bytes() == before
    assert list(own_file.parent.iterdir()) == [own_file]


def test_a_folder_that_is_not_there_cannot_be_written_to(model, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        save_model(model, tmp_path / "gone" / "a.safetensors", {})


def test_a_loaded_model_does_not_change_with_its_file(model, own_file):
    loaded = load_model(own_file)
    own_file.write_bytes(bytes(own_file.stat().st_size))
    assert_same(loaded, model)


def test_a_file_of_a_newer_version_asks_for_an_update(own_file):
    rewrite(own_file, lambda _: None, {"version": "2"})
    with pytest.raises(WeightsInvalid, match="update napari-clipseg"):
        load_model(own_file)


@pytest.mark.parametrize("config", ["", "{}}", '{"depth": 3}', '{"clip": {"embed_dim": 3}}'])
def test_a_file_with_a_broken_configuration_is_refused(own_file, config):
    rewrite(own_file, lambda _: None, {"config": config})
    with pytest.raises(WeightsInvalid, match="configuration"):
        load_model(own_file)


# errors that name tensors


def test_every_missing_surplus_and_misshapen_tensor_is_named_at_once(own_file):
    def damage(tensors: State) -> None:
        del tensors["decoder.film_mul.bias"]
        del tensors["encoder.clip.visual.proj"]
        tensors["decoder.surprise"] = torch.zeros(1)
        tensors["decoder.film_add.bias"] = torch.zeros(7)
        tensors["encoder.clip.ln_final.bias"] = torch.zeros(64, dtype=torch.int64)

    rewrite(own_file, damage)
    with pytest.raises(WeightsInvalid) as caught:
        load_model(own_file)
    for line in (
        "5 tensors are wrong",
        "missing: decoder.film_mul.bias",
        "missing: encoder.clip.visual.proj",
        "surplus: decoder.surprise",
        "misshapen: decoder.film_add.bias is (7,) float32, not (16,) float32",
        "misshapen: encoder.clip.ln_final.bias is (64,) int64, not (64,) float32",
        "fetch or copy it again",
    ):
        assert line in str(caught.value)


def test_a_long_list_of_wrong_tensors_is_cut(own_file):
    rewrite(own_file, lambda tensors: [tensors.pop(name) for name in list(tensors)[:30]])
    with pytest.raises(WeightsInvalid, match=r"30 tensors are wrong(?s:.*)\.\.\. and 10 more"):
        load_model(own_file)


# damaged and dangerous files


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pth"])
@pytest.mark.parametrize("content", [b"", b"not a weights file", bytes(1000)])
def test_what_is_no_weights_file_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsInvalid, match="fetch or copy it again"):
        load_model(path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_truncated_safetensors_are_refused(own_file, keep):
    content = own_file.read_bytes()
    own_file.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(WeightsInvalid, match="fetch or copy it again"):
        load_model(own_file)
    if keep < 0.5:
        return
    with pytest.raises(WeightsInvalid, match="fetch or copy it again"):
        read_metadata(own_file)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_truncated_pytorch_files_are_refused(model, tmp_path, keep):
    path = tmp_path / "decoder.pth"
    torch.save(decoder_of(model), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(WeightsInvalid, match="fetch or copy it again"):
        load_model(path)


@pytest.mark.parametrize("byte", range(8))
def test_a_tampered_header_is_refused(own_file, byte):
    content = bytearray(own_file.read_bytes())
    content[byte] ^= 0xFF
    own_file.write_bytes(content)
    with pytest.raises(WeightsInvalid):
        load_model(own_file)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def plain_pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("save", [torch.save, plain_pickle])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, save):
    path, sprung = tmp_path / "model.pth", tmp_path / "sprung"
    save({"film_mul.weight": torch.zeros(1), "trap": Trap(sprung)}, path)
    with pytest.raises(WeightsInvalid):
        load_model(path)
    assert not sprung.exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"state_dict": {}}, {1: torch.zeros(1)}])
def test_a_pytorch_file_without_a_flat_state_dict_is_refused(tmp_path, content):
    path = tmp_path / "model.pth"
    torch.save(content, path)
    with pytest.raises(WeightsInvalid, match="no flat state dict"):
        load_model(path)


def test_a_torchscript_archive_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "ViT-B-16.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("code/__torch__.py", "constants.pkl", "data.pkl", "version"):
            archive.writestr(f"archive/{name}", b"")
    with pytest.raises(WeightsInvalid, match=r"TorchScript archive(?s:.*)state_dict\(\)"):
        load_model(path)


def test_a_file_of_another_model_is_refused_with_what_can_be_read(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"layer.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsInvalid) as caught:
        load_model(path)
    assert "layer.weight" in str(caught.value)
    assert all(name in str(caught.value) for name in LAYOUTS)


def test_a_clip_without_a_decoder_is_refused(model, tmp_path):
    path = tmp_path / "clip.safetensors"
    save_file(clip_of(model), path)
    with pytest.raises(WeightsInvalid, match="none of the layouts"):
        load_model(path)


# the authors' layouts


@pytest.mark.parametrize("head", ["simple", "refined"])
@pytest.mark.parametrize("reduce_dim", [16, 64])
@pytest.mark.parametrize("dead", [False, True], ids=["without reduce", "with reduce"])
def test_the_authors_decoder_is_read_with_its_backbone(
    tiny_model, tmp_path, head, reduce_dim, dead
):
    model = tiny_model(head=head, reduce_dim=reduce_dim)
    decoder = decoder_of(model)
    if dead:
        decoder |= {"reduce.weight": torch.randn(reduce_dim, 128), "reduce.bias": torch.randn(16)}
    torch.save(decoder, tmp_path / "decoder.pth")
    save_file(clip_of(model), tmp_path / "clip.safetensors")
    loaded = load_model(tmp_path / "decoder.pth", backbone=tmp_path / "clip.safetensors")
    assert (loaded.config.head, loaded.config.reduce_dim) == (head, reduce_dim)
    assert_same(loaded, model)


def test_a_backbone_may_be_openais_state_dict_in_half_precision(model, tmp_path):
    half = {name: tensor.half() for name, tensor in clip_of(model).items()}
    torch.save(decoder_of(model), tmp_path / "decoder.pth")
    torch.save(half | OPENAI_EXTRAS, tmp_path / "ViT-B-16.pt")
    loaded = load_model(tmp_path / "decoder.pth", backbone=tmp_path / "ViT-B-16.pt")
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}
    assert_same(loaded, model, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("damaged", "named"),
    [("decoder", "decoder.film_mul.weight"), ("clip", "encoder.clip.visual.conv1.weight")],
)
def test_decoders_and_backbones_that_are_not_finite_are_refused(model, tmp_path, damaged, named):
    model.get_parameter(named).view(-1)[3] = float("nan")
    torch.save(decoder_of(model), tmp_path / "decoder.pth")
    save_file(clip_of(model), tmp_path / "clip.safetensors")
    with pytest.raises(WeightsInvalid, match=f"not finite: {named}"):
        load_model(tmp_path / "decoder.pth", backbone=tmp_path / "clip.safetensors")


def test_a_logit_scale_that_is_kept_as_a_vector_is_read(model, tmp_path):
    clip = clip_of(model)
    clip["logit_scale"] = clip["logit_scale"].reshape(1)
    torch.save(decoder_of(model), tmp_path / "decoder.pth")
    save_file(clip, tmp_path / "clip.safetensors")
    load_model(tmp_path / "decoder.pth", backbone=tmp_path / "clip.safetensors")


def test_a_decoder_without_a_backbone_says_which_to_fetch(model, tmp_path, monkeypatch):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path))
    torch.save(decoder_of(model), tmp_path / "decoder.pth")
    with pytest.raises(WeightsNotFound) as caught:
        load_model(tmp_path / "decoder.pth")
    assert "needs the CLIP it was trained on" in str(caught.value)
    assert "weights fetch clip-vit-b16" in str(caught.value)


def test_a_backbone_in_other_names_is_refused(model, tmp_path):
    torch.save(decoder_of(model), tmp_path / "decoder.pth")
    save_file({"patch_embed.proj.weight": torch.zeros(1)}, tmp_path / "timm.safetensors")
    with pytest.raises(WeightsInvalid, match=r"it has no visual\.conv1\.weight"):
        load_model(tmp_path / "decoder.pth", backbone=tmp_path / "timm.safetensors")


def test_a_backbone_of_another_size_is_refused_by_naming_the_tensors(model, tiny_config, tmp_path):
    clip = {**tiny_config().clip, "embed_dim": 48}
    torch.save(decoder_of(model), tmp_path / "decoder.pth")
    save_file(clip_of(CLIPSeg(tiny_config(clip=clip))), tmp_path / "clip.safetensors")
    with pytest.raises(WeightsInvalid, match=r"decoder\.film_mul\.weight is \(16, 32\)"):
        load_model(tmp_path / "decoder.pth", backbone=tmp_path / "clip.safetensors")


def test_a_decoder_that_reads_another_number_of_blocks_is_refused(tiny_model, tmp_path):
    model = tiny_model(extract_layers=(3,))
    torch.save(decoder_of(model), tmp_path / "decoder.pth")
    save_file(clip_of(model), tmp_path / "clip.safetensors")
    with pytest.raises(WeightsInvalid, match="reads 1 blocks of CLIP"):
        load_model(tmp_path / "decoder.pth", backbone=tmp_path / "clip.safetensors")


def test_the_merged_file_is_read_and_its_repeated_vision_tower_ignored(model, tmp_path):
    clip = clip_of(model)
    merged = {f"clip_model.{name}": tensor for name, tensor in clip.items()}
    merged |= {
        name.replace("visual.", "model.", 1): torch.zeros_like(tensor)
        for name, tensor in clip.items()
        if name.startswith("visual.")
    }
    torch.save(merged | decoder_of(model), tmp_path / "clip_plus_rd64-uni.pth")
    assert_same(load_model(tmp_path / "clip_plus_rd64-uni.pth"), model)


def test_a_merged_file_without_a_tensor_that_is_measured_is_refused(model, tmp_path):
    merged = {f"clip_model.{name}": tensor for name, tensor in clip_of(model).items()}
    del merged["clip_model.token_embedding.weight"]
    torch.save(merged | decoder_of(model), tmp_path / "merged.pth")
    with pytest.raises(WeightsInvalid, match=r"token_embedding\.weight is missing"):
        load_model(tmp_path / "merged.pth")


# transformers' layout; that its tensors land in the right places is tested by test_parity


@pytest.fixture
def hf_folder(randomise, tmp_path) -> Path:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPSegConfig(
        vision_config={
            "image_size": 64,
            "patch_size": 16,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 10,
            "num_attention_heads": 2,
        },
        text_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 1,
        },
        projection_dim=32,
        reduce_dim=16,
    )
    model = transformers.CLIPSegForImageSegmentation(config)
    randomise(model)
    model.save_pretrained(tmp_path)
    return tmp_path


def hf_rewrite(folder: Path, change: Callable[[State], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_folder_file_and_pytorch_file_of_transformers_hold_the_same_model(hf_folder):
    expected = load_model(hf_folder)
    assert_same(load_model(hf_folder / "model.safetensors"), expected)
    tensors = load_file(hf_folder / "model.safetensors")
    torch.save(tensors, hf_folder / "pytorch_model.bin")
    assert_same(load_model(hf_folder / "pytorch_model.bin"), expected)


def test_counted_positions_of_old_files_are_ignored(hf_folder):
    expected = load_model(hf_folder)

    def add_counts(tensors: State) -> None:
        for tower, count in (("text", 77), ("vision", 17)):
            name = f"clip.{tower}_model.embeddings.position_ids"
            tensors[name] = torch.arange(count)[None]

    hf_rewrite(hf_folder, add_counts)
    assert_same(load_model(hf_folder), expected)


def test_half_precision_copies_are_read_as_float32(hf_folder):
    expected = load_model(hf_folder)
    hf_rewrite(hf_folder, lambda ts: ts.update({name: ts[name].half() for name in ts}))
    loaded = load_model(hf_folder)
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}
    assert_same(loaded, expected, atol=0.05, rtol=0)


def test_without_a_config_json_the_shapes_tell_the_configuration(hf_folder):
    expected = load_model(hf_folder)
    (hf_folder / "config.json").unlink()
    loaded = load_model(hf_folder)
    assert loaded.config == expected.config
    assert_same(loaded, expected)


def test_tensors_of_transformers_that_do_not_fit_together_are_named(hf_folder):
    def damage(tensors: State) -> None:
        del tensors["clip.vision_model.encoder.layers.3.self_attn.k_proj.weight"]
        tensors["decoder.layers.0.self_attn.v_proj.bias"] = torch.zeros(3)
        tensors["clip.text_projection.weight"] = torch.zeros(5)

    hf_rewrite(hf_folder, damage)
    with pytest.raises(WeightsInvalid) as caught:
        load_model(hf_folder)
    for line in (
        "missing: encoder.clip.visual.transformer.resblocks.3.attn.in_proj_weight",
        "surplus: encoder.clip.visual.transformer.resblocks.3.attn.q_proj.weight",
        "missing: decoder.blocks.0.self_attn.in_proj_bias",
        "misshapen: encoder.clip.text_projection is (5,) float32, not (64, 32) float32",
    ):
        assert line in str(caught.value)


def test_a_configuration_that_does_not_fit_the_tensors_is_refused(hf_folder):
    path = hf_folder / "config.json"
    fields = json.loads(path.read_text())
    del fields["vision_config"]["patch_size"]  # the default is 32
    path.write_text(json.dumps(fields))
    with pytest.raises(WeightsInvalid, match=r"conv1\.weight is \(128, 3, 16, 16\)"):
        load_model(hf_folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"vision_config": 3}',
        '{"extract_layers": [9, 6, 3]}',
        '{"vision_config": {"hidden_act": "relu"}}',
        '{"vision_config": {"hidden_act": "gelu"}}',
        '{"text_config": {"layer_norm_eps": 0.1}}',
        '{"vision_config": {"num_attention_heads": 0}}',
        '{"vision_config": {"hidden_size": "wide"}}',
    ],
)
def test_a_config_json_that_is_none_or_asks_for_another_network_is_refused(hf_folder, text):
    (hf_folder / "config.json").write_text(text)
    with pytest.raises(WeightsInvalid, match=r"config\.json is no configuration of CLIPSeg"):
        load_model(hf_folder)


def clip_fields(**fields: Any) -> tuple[Any, ...]:
    config = hf_config(fields)
    vision, text = config.clip["vision_cfg"], config.clip["text_cfg"]
    return vision["patch_size"], vision["width"], vision["layers"], text["width"], text["heads"]


def test_a_sparse_config_json_has_the_defaults_of_transformers():
    sparse = {"vision_config": {"patch_size": 16}, "text_config": {"eos_token_id": 2}}
    assert clip_fields(**sparse) == (16, 768, 12, 512, 8)
    assert clip_fields() == (32, 768, 12, 512, 8)


def test_the_older_names_of_the_sections_go_first():
    older = {"vision_config_dict": {"patch_size": 16}, "text_config_dict": None}
    given = {
        "vision_config": {"patch_size": 8, "hidden_size": 64},
        "text_config": {"hidden_size": 64},
    }
    assert clip_fields(**older, **given) == (16, 768, 12, 64, 8)


def test_a_dense_config_json_equals_the_sparse_one_of_the_same_model():
    transformers = pytest.importorskip("transformers")
    dense = transformers.CLIPSegConfig(vision_config={"patch_size": 16}).to_dict()
    assert hf_config(dense) == hf_config({"vision_config": {"patch_size": 16}})
