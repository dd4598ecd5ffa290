"""Every generator of scenes, by name. A new one is an entry of :data:`GENERATORS`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_clipseg.train.dataset import Scene
from napari_clipseg.train.generated.appearance import objects, textures
from napari_clipseg.train.generated.electron import neuropil
from napari_clipseg.train.generated.land import aerial, town
from napari_clipseg.train.generated.microscopy import fluorescence, membranes
from napari_clipseg.train.generated.suburb import suburb
from napari_clipseg.train.generated.transmitted import (
    phase_contrast,
    stained_tissue,
    vesicular_tissue,
)
from napari_clipseg.train.generated.vessels import fundus, retina, vessels

Maker = Callable[[np.random.Generator], Scene]

GENERATORS: dict[str, Maker] = {
    "objects": objects,
    "textures": textures,
    "fluorescence": fluorescence,
    "membranes": membranes,
    "neuropil": neuropil,
    "stained_tissue": stained_tissue,
    "vesicular_tissue": vesicular_tissue,
    "phase_contrast": phase_contrast,
    "vessels": vessels,
    "retina": retina,
    "fundus": fundus,
    "aerial": aerial,
    "town": town,
    "suburb": suburb,
}
"""Name -> what draws a scene; the random generator decides everything."""
