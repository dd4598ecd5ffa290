"""The errors of napari-clipseg, one class for each thing a caller can do about it.

None derives from :class:`RuntimeError`: napari's generator workers swallow those
without telling anybody. Each also derives from the builtin error that a caller who
does not know this package would catch.
"""

from __future__ import annotations


class ClipSegError(Exception):
    """Base of all errors that napari-clipseg raises on purpose."""


class WeightsNotFound(ClipSegError, FileNotFoundError):
    """Weights are neither on this machine nor allowed to be fetched."""


class WeightsInvalid(ClipSegError, ValueError):
    """A weights file is damaged, altered or not of a layout that can be read."""


class UnknownName(ClipSegError, ValueError):
    """A name (model, blending, device ...) is not one of those on offer."""


class SettingError(ClipSegError, ValueError):
    """A number or combination of settings cannot work (tile, overlap, zoom, device ...)."""


class PromptError(ClipSegError, ValueError):
    """A prompt says nothing the model could use."""


class ImageError(ClipSegError, ValueError):
    """An array is not an image that can be segmented."""


class FeaturesInvalid(ClipSegError, ValueError):
    """Stored features are damaged or belong to another image, model or tiling."""


class UnsupportedLayer(ClipSegError, ValueError):
    """A napari layer or view is not one that can be segmented."""


class OutputError(ClipSegError, OSError):
    """A result cannot be written where it was asked to go."""


class OutOfMemory(ClipSegError, MemoryError):
    """Even a single tile does not fit into memory."""


class EngineError(ClipSegError):
    """The model failed on a tile for another reason than memory."""
