"""Seconds per megapixel: the peer loop and ours side by side, alternated."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import logit

from benchmarks import peer
from benchmarks.models import same_weights
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.model.linear import linear

PROMPTS = ["nuclei", "cell membrane", "background", "road", "water"]
BATCH = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """One row of the table: seconds per megapixel and how often faster than the peer."""

    name: str
    peer_seconds: float
    our_seconds: float
    ratio: float
    gemm_share: float | None = None


def measure(rounds: int = 5, side: int = 880) -> dict[str, Any]:
    """Return all rows, the agreement of results and the stages of a first run.

    Parameters
    ----------
    rounds : int
        Every case is timed once in each round; ratios are taken within a round.
    side : int
        Side in pixels of the square image.
    """
    image = scene(side)
    theirs, ours = same_weights(_some_tiles(image), PROMPTS[0])
    segmenters = {
        name: Segmenter(ours, device="cpu", precision=name, batch=BATCH)
        for name in ("float32", "bfloat16")
    }
    with torch.inference_mode():
        conditional = ours.text_vectors(PROMPTS)
    cases = _cases(segmenters, theirs, conditional, image)
    seconds = _alternate(cases, rounds)
    peaks = {name: gemm_peak(segmenter) for name, segmenter in segmenters.items()}
    return {
        "rows": [dataclasses.asdict(row) for row in _rows(seconds, image, segmenters, peaks)],
        "stages": {name: _stages(seconds, name) for name in segmenters},
        "gemm_peak_gflops": {name: peak / 1e9 for name, peak in peaks.items()},
        "agreement": _agreement(segmenters, theirs, conditional, image),
    }


def scene(side: int) -> npt.NDArray[np.uint8]:
    """Return an RGB image (side, side, 3) with structure of many sizes, as pictures have."""
    rng, total = np.random.default_rng(0), np.zeros((side, side, 3))
    for size in (4, 16, 64, 256):
        coarse = rng.standard_normal((-(-side // size), -(-side // size), 3))
        total += np.repeat(np.repeat(coarse, size, 0), size, 1)[:side, :side]
    return np.clip(128 + 40 * total, 0, 255).astype(np.uint8)


def _some_tiles(image: npt.NDArray[np.uint8]) -> torch.Tensor:
    corners = [image[:352, :352], image[-352:, -352:]]
    return torch.from_numpy(np.stack(corners)).permute(0, 3, 1, 2) / 255


def _cases(
    segmenters: dict[str, Segmenter], theirs: Any, conditional: torch.Tensor, image: Any
) -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {
        "peer 1": lambda: peer.segment(theirs, conditional[:1], image, BATCH),
    }
    for name, segmenter in segmenters.items():
        features = segmenter.encode(image)
        cases[f"{name} 1"] = lambda s=segmenter: s.probability(image, PROMPTS[:1])
        cases[f"{name} 5"] = lambda s=segmenter: s.probability(image, PROMPTS)
        cases[f"{name} again"] = lambda f=features: f.probability(PROMPTS[:1])
        cases[f"{name} encode"] = lambda s=segmenter: s.encode(image)
    return cases


def _alternate(cases: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for index in range(rounds + 1):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if index:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _rows(
    seconds: dict[str, list[float]],
    image: Any,
    segmenters: dict[str, Segmenter],
    peaks: dict[str, float],
) -> list[Comparison]:
    megapixels = image.shape[0] * image.shape[1] / 1e6
    rows = []
    for what, times in (("1", 1), ("5", 5), ("again", 1)):
        for name, segmenter in segmenters.items():
            ours = seconds[f"{name} {what}"]
            # the peer's time for five prompts is five times that for one: the same loop again
            theirs = [times * each for each in seconds["peer 1"]]
            ratio = statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
            share = None
            if what == "1":
                flops = encoder_flops(segmenter) * segmenter.encode(image).tiles
                share = flops / statistics.median(seconds[f"{name} encode"]) / peaks[name]
            label = {"1": "1 prompt", "5": "5 prompts", "again": "a new prompt"}[what]
            rows.append(
                Comparison(
                    f"{label}, {name}",
                    statistics.median(theirs) / megapixels,
                    statistics.median(ours) / megapixels,
                    ratio,
                    share,
                )
            )
    return rows


def _stages(seconds: dict[str, list[float]], name: str) -> dict[str, float]:
    return {
        "encode": statistics.median(seconds[f"{name} encode"]),
        "decode and blend": statistics.median(seconds[f"{name} again"]),
    }


def _agreement(
    segmenters: dict[str, Segmenter], theirs: Any, conditional: torch.Tensor, image: Any
) -> dict[str, dict[str, float]]:
    """Return how far apart two probabilities lie, and how the reference itself is spread."""
    results = {name: each.probability(image, PROMPTS[0]) for name, each in segmenters.items()}
    pairs = {
        "float32 here against transformers": (
            results["float32"],
            peer.segment(theirs, conditional[:1], image, BATCH)[0],
        ),
        "bfloat16 against float32": (results["bfloat16"], results["float32"]),
    }
    return {name: _differences(*pair) for name, pair in pairs.items()}


def _differences(
    found: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]
) -> dict[str, float]:
    difference = np.abs(found - reference)
    return {
        "max": float(difference.max()),
        "mean": float(difference.mean()),
        "flipped at 0.5": float(((found > 0.5) != (reference > 0.5)).mean()),
        "spread of the reference's logits": float(logit(reference).std()),
    }


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| | peer, s/Mpx | ours, s/Mpx | times faster | share of GEMM peak |",
        "|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        share = "" if row["gemm_share"] is None else f"{row['gemm_share']:.0%}"
        lines.append(
            f"| {row['name']} | {row['peer_seconds']:.2f} | {row['our_seconds']:.2f} "
            f"| {row['ratio']:.1f} | {share} |"
        )
    for name, agreement in results["agreement"].items():
        values = ", ".join(f"{key} {value:.2g}" for key, value in agreement.items())
        lines.append(f"\n{name}: {values}")
    return "\n".join(lines)


def encoder_flops(segmenter: Segmenter) -> float:
    """Return the multiplications and additions of matrices that encoding one tile takes."""
    config: ModelConfig = segmenter._network.config
    tokens = 1 + (segmenter.tile // config.patch) ** 2
    blocks = max(config.extract_layers) + 1
    linear = 12 * config.width**2
    attention = 2 * tokens * config.width
    embedding = 3 * config.patch**2 * config.width
    reduce = len(config.extract_layers) * config.width * config.reduce_dim
    return 2.0 * tokens * (blocks * (linear + attention) + embedding + reduce)


def gemm_peak(segmenter: Segmenter) -> float:
    """Return the flops per second of this machine's best large matrix product.

    The faster of torch's own product and of ours counts, else our share could pass 100 %.
    """
    dtype = segmenter._network.precision
    left, right = (torch.randn(4096, 4096).to(dtype) for _ in range(2))
    with torch.inference_mode():
        best = min(
            _timed(product)
            for _ in range(5)
            for product in (lambda: left @ right, lambda: linear(left, right))
        )
    return 2 * 4096**3 / best


def _timed(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
