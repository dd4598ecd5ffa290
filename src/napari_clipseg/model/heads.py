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
        batch, _, height, width = grid.shape
        factor = self.kernel_size[0]
        weight = self.weight.flatten(1).T.contiguous()
        squares = linear(grid.permute(0, 2, 3, 1), weight)
        squares = squares.view(batch, height, width, self.out_channels, factor, factor)
        pixels = squares.permute(0, 3, 1, 4, 2, 5).reshape(
            batch, self.out_channels, height * factor, width * factor
        )
        assert self.bias is not None
        return pixels + self.bias[:, None, None]


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
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        Upsampling(width, width // 2, first),
        nn.ReLU(),
        Upsampling(width // 2, 1, patch // first),
    )


HEADS: dict[str, Callable[[int, int], nn.Module]] = {
    "simple": simple_head,
    "refined": refined_head,
}
"""Name -> function of the decoder's width and the patch's side."""
