"""The threshold that fits a painted example, from the probability of the last run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_clipseg.engine.presence import suggest_threshold
from napari_clipseg.engine.prompts import quoted
from napari_clipseg.errors import PromptError
from napari_clipseg.layers.query import read_query
from napari_clipseg.layers.support import read_support
from napari_clipseg.widget.prompting import query_settings

if TYPE_CHECKING:
    from napari import Viewer

    from napari_clipseg.widget.request import PromptRow
    from napari_clipseg.widget.run import Run


def fitting_threshold(viewer: Viewer, run: Run | None, row: PromptRow) -> float:
    """Return the threshold at which what a run found fits the painted example of a row best.

    Parameters
    ----------
    viewer : napari.Viewer
    run : Run, optional
        The last one, if there was any.
    row : PromptRow
        With its example as it is now.

    Raises
    ------
    PromptError
        If there is no example, no result of the row on the plane shown, or the example lies on
        another plane or image.
    """
    if row.example is None:
        raise PromptError("There is no example to fit: press Paint, and paint over one object.")
    keys = [] if run is None else [asked.row.key for asked in run.asked]
    if run is None or row.key not in keys:
        raise PromptError(
            f"There is no result of '{quoted(row.title)}' to fit yet: press Run first."
        )
    image = run.query.layer
    if row.example_image is not None and row.example_image != image:
        raise PromptError(
            f"The example is painted on '{row.example_image.name}', not on '{image.name}': paint "
            f"one on '{image.name}', or set the threshold by hand."
        )
    query = read_query(viewer, image, query_settings(run.request))
    result = run.results[keys.index(row.key)]
    if query.plane not in result.recipes:
        raise PromptError(
            f"The plane that is shown has no result of '{quoted(row.title)}': press Run."
        )
    support = read_support(viewer, row.example, query, value=row.label_value)
    if support.image is not query.data:
        raise PromptError(
            "The example is painted on another plane: go to that plane and press Run there."
        )
    return suggest_threshold(result.target(query.plane), support.mask)
