"""The models on offer: what each is, where its weights come from, what their licence says.

Nothing here is imported beyond the configuration, so a list of names costs nothing.
A new model is an entry of :data:`MODELS` at the bottom.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_clipseg.model.config import ModelConfig

HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Names of a weights file in transformers' layout, the preferred one first."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """Weights that come with the package.

    Parameters
    ----------
    file : str
        Path of the file, relative to the folder of this module, with forward slashes.
    """

    file: str


@dataclass(frozen=True, slots=True)
class Hub:
    """Weights in a repository of the Hugging Face hub.

    Parameters
    ----------
    repo : str
        ``owner/name``.
    weights : tuple of str
        Names the weights file may have, the preferred one first.
    extra : tuple of str
        Files that are fetched with it.
    """

    repo: str
    weights: tuple[str, ...] = HUB_WEIGHTS
    extra: tuple[str, ...] = ("config.json",)

    @property
    def url(self) -> str:
        """Page of the repository, where its licence stands."""
        return f"https://huggingface.co/{self.repo}"


Source = Bundled | Hub


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model that can be named.

    Parameters
    ----------
    name : str
        What the user types.
    summary : str
        One sentence on what it is good for.
    config : ModelConfig or None
        Shape of the network; None where only the weights file tells it.
    source : Bundled or Hub
    size_bytes : int
        Approximate size of the weights file.
    sha256 : str or None
        Hash of the weights file; None where none was published that could be recorded here.
    licence : str
        Short name, to be read with the note.
    licence_note : str
        What a user has to know before the weights are fetched.
    """

    name: str
    summary: str
    config: ModelConfig | None
    source: Source
    size_bytes: int
    sha256: str | None
    licence: str
    licence_note: str


def uncatalogued(repo: str) -> ModelEntry:
    """Return an entry for a hub repository (``owner/name``) that is not in :data:`MODELS`."""
    source = Hub(repo)
    note = f"This model is not in the catalog; read its licence on {source.url} before using it."
    return ModelEntry(repo, "A model of the hub.", None, source, 0, None, "not known", note)


_AUTHORS_WEIGHTS = (
    "The authors of CLIPSeg grant no licence for their weights: the repository says that its MIT "
    "licence does not apply to them. The hub page they are fetched from is tagged apache-2.0 by "
    "whoever uploaded them there. Whether you may use them, and for what, is for you to judge. "
    "No checksum was published that could be recorded here."
)

_STARTER_NOTE = (
    "Trained for this package from scratch and distributed with it. The licences of the data it "
    "learned from are listed in its model card, starter/MODEL_CARD.md."
)

_CLIP_NOTE = (
    "OpenAI's CLIP ViT-B/16, published in a repository under the MIT licence, whose model card "
    "advises against untested deployment. The copy fetched here is the one open_clip uses; its "
    "page states the licence under which it is passed on."
)


def _clipseg(name: str, summary: str, config: ModelConfig, size_bytes: int) -> ModelEntry:
    return ModelEntry(
        name=name,
        summary=summary,
        config=config,
        source=Hub(f"CIDAS/clipseg-{name}"),
        size_bytes=size_bytes,
        sha256=None,
        licence="none granted by the authors; hub page says apache-2.0",
        licence_note=_AUTHORS_WEIGHTS,
    )


DEFAULT_MODEL = "starter"
"""The model that is meant where none is named."""

MODELS: dict[str, ModelEntry] = {
    DEFAULT_MODEL: ModelEntry(
        name=DEFAULT_MODEL,
        summary="Small model that comes with the plugin: works at once, offline.",
        config=None,
        source=Bundled("starter/starter.safetensors"),
        size_bytes=20_504_084,
        sha256="0fe3b4b0fc2de8283e40685cf49cb2d9a58f48b834f30663982197af5f03d18f",
        licence="BSD-3-Clause",
        licence_note=_STARTER_NOTE,
    ),
    "rd64-refined": _clipseg(
        "rd64-refined",
        "CLIPSeg with finer edges: recommended for real work.",
        ModelConfig(head="refined"),
        603_000_000,
    ),
    "rd64": _clipseg("rd64", "CLIPSeg as in the paper.", ModelConfig(), 603_000_000),
    "rd16": _clipseg(
        "rd16", "CLIPSeg with the smallest decoder.", ModelConfig(reduce_dim=16), 600_000_000
    ),
}
"""Name -> model that can be asked to segment."""

BACKBONES: dict[str, ModelEntry] = {
    "clip-vit-b16": ModelEntry(
        name="clip-vit-b16",
        summary="The CLIP that the authors' decoder-only files (.pth) need beside them.",
        config=None,
        source=Hub(
            "timm/vit_base_patch16_clip_224.openai",
            weights=("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
            extra=(),
        ),
        size_bytes=599_000_000,
        sha256=None,
        licence="MIT (OpenAI's repository)",
        licence_note=_CLIP_NOTE,
    ),
}
"""Name -> CLIP without a decoder: can be fetched, cannot segment by itself."""
