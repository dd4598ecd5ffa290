"""napari layers to engine values and back."""
