"""How the person at the screen is told."""

from __future__ import annotations

from napari.utils.notifications import notification_manager, show_warning


def advise(text: str) -> None:
    """Say what to do next; nothing was lost."""
    show_warning(text[:1].upper() + text[1:])


def report(error: BaseException) -> None:
    """Say that a run failed and why, with the traceback one click away.

    Workers do not do this by themselves once they have a handler for errors.
    """
    notification_manager.receive_error(type(error), error, error.__traceback__)
