"""``python -m napari_clipseg.cli`` is the command line."""

from napari_clipseg.cli import main

main()
