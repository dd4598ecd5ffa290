"""Speed and memory, measured against a well-written loop over transformers' CLIPSeg."""
