"""The paper, one file per box of its figure: numbers in, logits out."""
