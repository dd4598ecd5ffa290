"""What is kept between runs: the model loaded last and the plane encoded last."""

from __future__ import annotations

from collections.abc import Hashable

from napari_clipseg.layers.query import QueryImage
from napari_clipseg.widget.job import Encoded
from napari_clipseg.widget.request import RunRequest


class Memory:
    """One model and one encoded plane, each handed out only where it fits."""

    def __init__(self) -> None:
        self._model: Hashable = None
        self._image: Hashable = None
        self._encoded: Encoded | None = None

    def recall(self, request: RunRequest, query: QueryImage) -> Encoded | None:
        """Return what fits a run: the segmenter, with features if image and contrast fit too."""
        if self._encoded is None or self._model != _model_key(request):
            return None
        if self._image != _image_key(query):
            return Encoded(self._encoded.segmenter)
        return self._encoded

    def keep(self, request: RunRequest, query: QueryImage, encoded: Encoded) -> None:
        """Keep what a run made, in place of what was kept before."""
        self._model, self._image, self._encoded = _model_key(request), _image_key(query), encoded

    def forget_image(self) -> None:
        """Drop the encoded plane: the image is not what it was."""
        self._image = None
        if self._encoded is not None:
            self._encoded = Encoded(self._encoded.segmenter)


def _model_key(request: RunRequest) -> Hashable:
    return request.model, request.zoom


def _image_key(query: QueryImage) -> Hashable:
    return query.layer.unique_id, query.plane, query.contrast
