"""napari-clipseg demo: nuclei in the picture that ships with the package."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from napari_clipseg.cli.fields import PATH, command, option
from napari_clipseg.cli.options import Device, Model


@dataclasses.dataclass(frozen=True, slots=True)
class DemoJob:
    """All that ``demo`` was asked to do; each field is the option of its name."""

    output: Annotated[
        Path, option("Folder for the results.", "-o", type=PATH, default=Path("demo-output"))
    ]
    model: Model
    device: Device


@command
def demo(job: DemoJob) -> None:
    """Find the nuclei of a picture that ships with the package.

    Once with the prompt "nuclei" and once with three nuclei as an example. Writes probability,
    labels and an overlay for each, and says how well both agree with the truth.
    """
    from napari_clipseg.atomic import writable_folder
    from napari_clipseg.cli.demo_run import run_demo
    from napari_clipseg.engine.segmenter import Segmenter

    writable_folder(job.output)
    run_demo(Segmenter(job.model, device=job.device), job.output)
