"""Training of CLIPSeg models."""
