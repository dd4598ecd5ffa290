"""Pictures that are generated to learn from: their truth is known to the pixel."""
