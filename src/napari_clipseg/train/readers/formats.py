"""Every data set format that can be read, by name. A new one is an entry of :data:`READERS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_clipseg.train.readers.annotated import AnnotatedSet
from napari_clipseg.train.readers.coco import read_coco_instances, read_coco_panoptic
from napari_clipseg.train.readers.folder import read_folder
from napari_clipseg.train.readers.phrasecut import read_phrasecut
from napari_clipseg.train.readers.voc import read_voc

READERS: dict[str, Callable[[Path, str], AnnotatedSet]] = {
    "folder": read_folder,
    "coco-instances": read_coco_instances,
    "coco-panoptic": read_coco_panoptic,
    "phrasecut": read_phrasecut,
    "voc": read_voc,
}
"""Name -> reader of a folder and a split."""
