"""napari-clipseg demo: nuclei in the picture that ships with the package."""

from __future__ import annotations

from pathlib import Path

import click

from napari_clipseg.cli.options import DEVICE, MODEL, PATH


def _run(output: Path, model: str, device: str) -> None:
    from napari_clipseg.atomic import writable_folder
    from napari_clipseg.cli.demo_run import run_demo
    from napari_clipseg.engine.segmenter import Segmenter

    writable_folder(output)
    run_demo(Segmenter(model, device=device), output)


demo = click.Command(
    "demo",
    callback=_run,
    params=[
        click.Option(
            ["--output", "-o"],
            type=PATH,
            default=Path("demo-output"),
            show_default=True,
            help="Folder for the results.",
        ),
        MODEL,
        DEVICE,
    ],
    short_help="Find the nuclei of a picture that ships with the package.",
    help="""Find the nuclei of a picture that ships with the package.

    Once with the prompt "nuclei" and once with three nuclei as an example. Writes probability,
    labels and an overlay for each, and says how well both agree with the truth.
    """,
)
