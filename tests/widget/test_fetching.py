"""The download of weights from a hub that runs in this process, watched and stopped."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from napari_clipseg.model.weights import CACHE_VARIABLE, OFFLINE_VARIABLES, is_present
from napari_clipseg.widget.fetching import Download
from napari_clipseg.widget.model_section import ModelSection
from napari_clipseg.widget.settings import Settings

pytestmark = [pytest.mark.display, pytest.mark.slow]

MEGABYTE = 1_000_000
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Delivers a configuration and a weights file, a megabyte at a time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.megabytes, self.pause, self.broken = 3, 0.0, False
        self.sent = 0
        self.gone = threading.Event()


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._headers()

    def do_GET(self) -> None:
        if not self._headers():
            return
        if self.path.endswith("config.json"):
            self.wfile.write(b"{}")
            return
        try:
            for _ in range(self.server.megabytes):
                self.wfile.write(bytes(MEGABYTE))
                self.wfile.flush()
                self.server.sent += 1
                time.sleep(self.server.pause)
        except OSError:
            self.server.gone.set()

    def _headers(self) -> bool:
        is_config = self.path.endswith("config.json")
        known = is_config or self.path.endswith("model.safetensors")
        self.send_response(403 if self.server.broken else 200 if known else 404)
        if known and not self.server.broken:
            length = 2 if is_config else self.server.megabytes * MEGABYTE
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", f'"{len(self.path)}-{length}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        return known and not self.server.broken

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub = Hub()
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    for name in (*OFFLINE_VARIABLES, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield hub
    hub.shutdown()
    hub.server_close()


@pytest.fixture
def section(qtbot, hub) -> ModelSection:
    section = ModelSection(Settings())
    qtbot.addWidget(section)
    section.resize(300, 500)
    section.show()
    section.model.choose("rd64-refined")
    return section


def test_the_licence_is_shown_and_only_accepting_it_fetches(section, hub, qtbot):
    assert "603 MB" in section.facts.text()
    section.download.click()
    assert section.licence.isVisible()
    assert "no licence for their weights" in section.licence.text()
    section.decline.click()
    assert not section.licence.isVisible()
    assert hub.sent == 0
    assert not is_present("rd64-refined")


def test_a_download_shows_its_progress_and_then_the_model_is_here(section, hub, qtbot):
    hub.pause = 0.1
    steps = []
    section.downloading.progressed.connect(lambda done, total: steps.append((done, total)))
    section.download.click()
    section.accept.click()
    assert section.bar.isVisible()
    qtbot.waitUntil(lambda: "are here" in section.outcome.text(), timeout=60_000)
    assert steps[-1] == (3 * MEGABYTE, 3 * MEGABYTE)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert is_present("rd64-refined")
    assert "On this computer" in section.facts.text()
    assert section.model.currentText() == "rd64-refined"
    assert not section.download.isVisible()
    assert not section.bar.isVisible()


def test_cancel_stops_the_transfer_within_two_seconds(section, hub, qtbot):
    hub.megabytes, hub.pause = 1000, 0.05
    section.download.click()
    section.accept.click()
    qtbot.waitUntil(lambda: hub.sent > 5, timeout=60_000)
    pressed = time.monotonic()
    section.stop.click()
    qtbot.waitUntil(lambda: "cancelled" in section.outcome.text(), timeout=2000)
    assert hub.gone.wait(2)
    assert time.monotonic() - pressed < 2
    sent = hub.sent
    qtbot.wait(300)
    assert hub.sent == sent
    assert not is_present("rd64-refined")
    assert section.download.isVisible()


def test_a_hub_that_fails_is_one_sentence_that_says_what_to_do(section, hub, qtbot):
    hub.broken = True
    section.download.click()
    section.accept.click()
    qtbot.waitUntil(lambda: section.outcome.text() != "", timeout=60_000)
    assert "could not be fetched" in section.outcome.text()
    assert "Check connection" in section.outcome.text()
    assert section.download.isVisible()


def test_offline_is_said_and_nothing_can_be_downloaded(hub, qtbot, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    section = ModelSection(Settings(model="rd64"))
    qtbot.addWidget(section)
    section.show()
    assert "network is switched off" in section.facts.text()
    assert not section.download.isVisible()


QUIT_IN_THE_MIDDLE = """
from qtpy.QtCore import QCoreApplication
from napari_clipseg.widget.fetching import Download

application = QCoreApplication([])
download = Download()
download.progressed.connect(application.quit)
download.start("rd16")
application.exec()
print("running" if download.running else "ended")
"""


def test_an_application_that_quits_ends_the_download_in_order(hub):
    hub.megabytes, hub.pause = 1000, 0.05
    done = subprocess.run(
        [sys.executable, "-c", QUIT_IN_THE_MIDDLE], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
    assert hub.gone.wait(2)


def test_closing_ends_the_process(hub, qtbot):
    hub.megabytes, hub.pause = 1000, 0.05
    download = Download()
    download.start("rd16")
    qtbot.waitUntil(lambda: hub.sent > 1, timeout=60_000)
    download.close()
    assert hub.gone.wait(2)
