"""Arrays in, probability out: tiling, prompts, features, blending, labels."""
