"""What is said in the status line, where there is room for one sentence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.layers import Image

from napari_clipseg.errors import ImageError
from napari_clipseg.layers.planes import ALL
from napari_clipseg.widget.estimate import Work
from napari_clipseg.widget.intention import intention
from napari_clipseg.widget.pace import Pace
from napari_clipseg.widget.phrases import encoded, estimated, sentence
from napari_clipseg.widget.request import PromptRow, RunRequest


@dataclasses.dataclass
class Encoded:
    """Features of which some tiles are missing."""

    lacking: int
    tiles: int = 20
    nbytes: int = 4_000_000

    def missing(self):
        return self.lacking


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("the file is gone. Fetch it", "The file is gone."),
        (
            "use another, e.g. with numpy.abs(image). Then run",
            "Use another, e.g. with numpy.abs(image).",
        ),
        ("three planes, i.e. a stack", "Three planes, i.e. a stack."),
        ("a factor of 0.5 is too small. Take 1", "A factor of 0.5 is too small."),
    ],
)
def test_the_first_sentence_of_an_error_is_whole(told, said):
    assert sentence(ImageError(told)) == said


def test_an_estimate_adds_up_what_is_encoded_and_what_is_decoded():
    pace = Pace(encode=2.0, decode=0.5)
    assert estimated(Work(10, 20, 1), pace, 2, "cpu") == "about 40 s on cpu (10 tiles to encode)"
    many = estimated(Work(0, 2000, 4), pace, 1, "cuda")
    assert many == "about 17 min on cuda (2,000 tiles on 4 planes, encoded already)"


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (0, "encoded, 20 tiles, 4.0 MB; a new prompt takes about 10 s"),
        (10, "encoded, 10 of 20, 2.0 MB; a new prompt takes about 5 s"),
    ],
)
def test_what_is_encoded_is_told_with_the_time_of_one_more_prompt(missing, said):
    assert encoded(Encoded(missing), Pace(decode=0.5)) == said
    assert encoded(Encoded(missing), Pace()) == said.partition(";")[0]


@pytest.mark.parametrize(
    ("planes", "where"),
    [("plane shown", ""), (ALL, " on all planes"), ((2, 5), " on planes 2 to 4")],
)
def test_what_is_ready_is_said_with_its_planes(qapp, planes, where):
    image = Image(np.zeros((2, 2)), name="cells")
    request = RunRequest(image, (PromptRow(1, "nuclei"),), planes=planes)
    assert intention(request, True) == f"All is encoded: Run finds nuclei{where} at once."
    details = f" ({where.removeprefix(' on ')})" if where else ""
    assert intention(request, False) == f"Run encodes 'cells'{details}, then finds nuclei."


def test_a_long_prompt_is_named_in_short(qapp):
    request = RunRequest(Image(np.zeros((2, 2)), name="cells"), (PromptRow(1, "nuclei\n" * 999),))
    said = intention(request, False)
    assert len(said) < 120
    assert said.endswith("nuclei nu ….")
