"""What a controller asks of the form: another form can stand in the panel's place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from napari_clipseg.widget.request import ResultSettings


class View(Protocol):
    """The form as a controller sees it."""

    def show_status(self, text: str) -> None:
        """Say in one line how things stand."""

    def show_encoded(self, text: str) -> None:
        """Say what is encoded, or what encoding would cost."""

    def show_progress(self, done: int, total: int) -> None:
        """Show how many tiles are done; a total of 0 is not known yet."""

    def show_running(self, running: bool) -> None:
        """Show whether a run is going on."""

    def show_presence(self, sentences: Mapping[int, str]) -> None:
        """Say of rows, by key, whether what they ask for was found."""

    def suggest_threshold(self, threshold: float) -> None:
        """Offer the threshold of the model's makers, for rows whose threshold nobody chose."""

    def thresholds(self) -> Mapping[int, float]:
        """Return the threshold of every row, by key, as it is set now."""

    def result_settings(self) -> ResultSettings:
        """Return how labels are to be made, as it is set now."""
