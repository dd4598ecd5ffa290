"""Distil a sentence encoder into the small CLIP text tower of the starter model.

The student sees phrases only, no image: words that never occur with a training image land near
words that do.

References
----------
Tian et al. (2020), arXiv 1910.10699: contrastive distillation.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from napari_clipseg.train.layout import INDEX
from napari_clipseg.train.phrases import Phrase, starter_phrases
from napari_clipseg.train.teacher import (
    TEACHER_LICENCE,
    TEACHER_NAME,
    CachedTeacher,
    Teacher,
    format_similarities,
    minilm_teacher,
)
from napari_clipseg.train.text_tower import (
    EMBED_DIM,
    TEXT_CFG,
    Tokenize,
    clip_tokenizer,
    encode_tokens,
    new_text_tower,
    text_encoder,
    token_texts,
    warm_start,
    whole_words,
)

log = logging.getLogger(__name__)


WORDNET_FOLDER = Path("/usr/share/wordnet")  # where Debian's wordnet-base puts it


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
    index = arguments.data / INDEX if arguments.data else None
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
