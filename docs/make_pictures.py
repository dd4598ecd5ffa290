"""Make the pictures of the documentation: ``python docs/make_pictures.py``."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from skimage.segmentation import find_boundaries

from napari_clipseg import MaskPrompt, Segmenter, label
from napari_clipseg.cli.demo_run import example_mask
from napari_clipseg.io.demo import demo_image, demo_truth
from napari_clipseg.io.overlay import overlay, write_png

IMAGES = Path(__file__).parent / "images"
BLUE = (60, 160, 255)
GAP = 8


def main() -> None:
    """Write ``images/demo.png``: the image, what a text finds, what an example finds."""
    image = demo_image()
    mask = example_mask(demo_truth())
    segmenter = Segmenter("starter")
    features = segmenter.encode(image)
    found = [
        overlay(image, label(features.probability(prompt), segmenter.threshold))
        for prompt in ("nuclei", MaskPrompt(image, mask))
    ]
    found[1][find_boundaries(mask, mode="outer")] = BLUE
    write_png(IMAGES / "demo.png", side_by_side([overlay(image, np.zeros_like(mask, int)), *found]))


def side_by_side(pictures: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Return pictures (H, W, 3) in one row with a white gap between them."""
    gap = np.full((len(pictures[0]), GAP, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(row[1:], axis=1)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    main()
