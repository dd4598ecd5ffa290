"""CLIPSeg: encoder and decoder joined (Lüddecke & Ecker, arXiv 2112.10003, figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_clipseg.model.config import IMAGENET_MEAN, IMAGENET_STD, ModelConfig
from napari_clipseg.model.decoder import Decoder
from napari_clipseg.model.encoder import Encoder
from napari_clipseg.model.learned import Learned
from napari_clipseg.model.precision import Kept


class CLIPSeg(nn.Module):
    """A frozen CLIP whose activations, steered by a prompt, are decoded to a mask.

    Parameters
    ----------
    config : ModelConfig
        Shape of the network. Weights start random; :func:`napari_clipseg.load_model` reads them.

    Attributes
    ----------
    encoder : Encoder
    decoder : Decoder
    learned : Learned or None
        The phrases it was trained with; None where its file does not say.
    kept : Kept or None
        How its weights are kept; None where it holds all of them in float32.
    """

    mean: Tensor
    std: Tensor
    learned: Learned | None = None
    kept: Kept | None = None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.register_buffer("mean", _per_channel(IMAGENET_MEAN), persistent=False)
        self.register_buffer("std", _per_channel(IMAGENET_STD), persistent=False)

    def normalise(self, rgb: Tensor) -> Tensor:
        """Return ``pixel_values`` (B, 3, H, W) of RGB in [0, 1]."""
        return (rgb - self.mean) / self.std

    def reduced(self, pixel_values: Tensor) -> Tensor:
        """Return all that the decoder needs of images (B, 3, H, W): (B, F, 1 + N, D)."""
        return self.decoder.reduce(self.encoder.activations(pixel_values))

    def decode(self, reduced: Tensor, conditional: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return logits (B, P, H', W') of reduced activations; see :class:`Decoder`."""
        logits: Tensor = self.decoder(reduced, conditional, grid)
        return logits

    def logits(self, pixel_values: Tensor, conditional: Tensor) -> Tensor:
        """Return raw logits, neither resized nor squashed.

        Parameters
        ----------
        pixel_values : Tensor (B, 3, H, W)
            Normalised pixels, see :meth:`normalise`.
        conditional : Tensor (P, E)
            From :meth:`text_vectors`, :meth:`image_vectors` or a mix of both.

        Returns
        -------
        Tensor (B, P, H', W')
            H' and W' are H and W less what is no multiple of the patch.
        """
        grid = self.encoder.grid(pixel_values)
        return self.decode(self.reduced(pixel_values), conditional, grid)

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Return conditional vectors (P, E) of texts, not normalised."""
        return self.encoder.text_vectors(texts)

    def image_vectors(self, pixel_values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return conditional vectors (P, E) of prompt images; see :class:`Encoder`."""
        return self.encoder.image_vectors(pixel_values, mask)


def _per_channel(values: Sequence[float]) -> Tensor:
    # the device is named so that a model built on "meta", to be filled from a file, has them too
    return torch.tensor(values, device="cpu")[:, None, None]
