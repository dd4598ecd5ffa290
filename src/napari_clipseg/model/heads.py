"""The decoder's last step: from tokens on a grid to a logit for every pixel."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from napari_clipseg.errors import SettingError
from napari_clipseg.model.linear import linear


class Upsampling(nn.ConvTranspose2d):
    """A transposed convolution whose stride is its kernel, as one product of matrices.

    Parameters
    ----------
    channels, out : int
        Channels before and after.
    factor : int
        Pixels down and across that each input position becomes.

    Notes
    -----
    Such kernels do not overlap: each input position alone makes its square of the output. As a
    general transposed convolution this step took a fifth of the decoder's time on a CPU.
    """

    def __init__(self, channels: int, out: int, factor: int) -> None:
        super().__init__(channels, out, factor, stride=factor)

    def forward(self, grid: Tensor) -> Tensor:  # type: ignore[override]
        """Return (B, out, H * factor, W * factor) of (B, channels, H, W)."""
        return _on_grid(self.squares(grid.permute(0, 2, 3, 1)))

    def squares(self, places: Tensor, activation: str = "none") -> Tensor:
        """Return the square (..., factor, factor, out) of each place (..., channels)."""
        assert self.bias is not None
        factor = self.kernel_size[0]
        weight = self.weight.permute(2, 3, 1, 0).flatten(0, 2)
        squares = linear(places, weight.contiguous(), self.bias.repeat(factor**2), activation)
        return squares.view(*places.shape[:-1], factor, factor, self.out_channels)


class Refined(nn.Sequential):
    """The head of rd64-refined: a convolution, and two transposed ones that share the patch.

    Parameters
    ----------
    width, first, second : int
        Channels before, and the factors of the two transposed convolutions.
    """

    def __init__(self, width: int, first: int, second: int) -> None:
        super().__init__(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            Upsampling(width, width // 2, first),
            nn.ReLU(),
            Upsampling(width // 2, 1, second),
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Return logits (B, 1, H * patch, W * patch) of (B, width, H, W).

        Notes
        -----
        What both transposed convolutions make of a token stays with the token; only the logits,
        one channel, are brought into the order of the picture.
        """
        convolution, relu = self[0], self[1]
        coarse, fine = (each for each in self if isinstance(each, Upsampling))
        places = relu(convolution(grid)).permute(0, 2, 3, 1)
        squares = fine.squares(coarse.squares(places, "relu"))  # (B, H, W, f, f, g, g, 1)
        return _on_grid(squares.transpose(4, 5).flatten(5, 6).flatten(3, 4))


def _on_grid(squares: Tensor) -> Tensor:
    """Return (B, C, H * f, W * f) of squares (B, H, W, f, f, C)."""
    return squares.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def simple_head(width: int, patch: int) -> nn.Module:
    """Return one transposed convolution from tokens to pixels."""
    return Upsampling(width, 1, patch)


def refined_head(width: int, patch: int) -> nn.Module:
    """Return the head of rd64-refined; its second step makes up what the first leaves of the patch.

    Raises
    ------
    SettingError
        If the side of the patch is odd, so that two steps cannot make it up.
    """
    first = next((factor for factor in (4, 2) if patch % factor == 0), None)
    if first is None:
        raise SettingError(f'the refined head needs patches of an even side, not {patch}: "simple"')
    return Refined(width, first, patch // first)


HEADS: dict[str, Callable[[int, int], nn.Module]] = {
    "simple": simple_head,
    "refined": refined_head,
}
"""Name -> function of the decoder's width and the patch's side."""
