"""A download of weights that is watched from the panel and can be stopped at once."""

from __future__ import annotations

import json
import sys

from qtpy.QtCore import QCoreApplication, QObject, QProcess, Signal

KILL_WAIT_MS = 1000


class Download(QObject):
    """Fetches the weights of one model at a time, in a process that ends with the application."""

    progressed = Signal(float, float)
    """Bytes that are there and bytes there will be; 0 where that is not known."""

    ended = Signal(str)
    """One sentence on how it ended; empty once the weights are here."""

    def __init__(self) -> None:
        super().__init__()
        self._process: QProcess | None = None
        self._outcome = ""
        self._cancelled = False
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    @property
    def running(self) -> bool:
        """Whether a download is going on."""
        return self._process is not None

    def start(self, model: str) -> None:
        """Begin, unless one is going on."""
        if self.running:
            return
        self._outcome, self._cancelled = "", False
        process = QProcess(self)
        process.readyReadStandardOutput.connect(self._on_output)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process = process
        process.start(sys.executable, ["-m", "napari_clipseg.widget.fetch_process", model])

    def cancel(self) -> None:
        """Stop at once; what was fetched so far is taken up again by the next download."""
        if self._process is not None:
            self._cancelled = True
            self._process.kill()

    def close(self) -> None:
        """Stop and tell nobody."""
        if self._process is not None:
            self.blockSignals(True)
            self._process.kill()
            self._process.waitForFinished(KILL_WAIT_MS)

    def _on_output(self) -> None:
        while self._process is not None and self._process.canReadLine():
            event = json.loads(bytes(self._process.readLine().data()))
            if "done" in event:
                self.progressed.emit(float(event["done"]), float(event["total"] or 0))
            elif "error" in event:
                self._outcome = event["error"]
            else:
                self._outcome = "here"

    def _on_finished(self, *_: object) -> None:
        self._on_output()
        self._end(self._outcome or self._last_words())

    def _last_words(self) -> str:
        """Return the last line that a process wrote before it broke down."""
        assert self._process is not None
        written = bytes(self._process.readAllStandardError().data()).decode(errors="replace")
        lines = written.strip().splitlines()
        return f"the download broke off: {lines[-1]}" if lines else "the download broke off"

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(f"{sys.executable} cannot be started to fetch the weights")

    def _end(self, outcome: str) -> None:
        self._process = None
        if self._cancelled:
            self.ended.emit("Download cancelled; the next one goes on where it stopped.")
        elif outcome == "here":
            self.ended.emit("")
        else:
            self.ended.emit(f"{outcome[:1].upper()}{outcome[1:].rstrip('.')}.")
