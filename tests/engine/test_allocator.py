from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_clipseg.engine import allocator
from napari_clipseg.engine.allocator import give_back, giving_back

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")

THREADS = """
import ctypes, sys, threading
from napari_clipseg.engine.allocator import share_arenas
if sys.argv[2:]:
    share_arenas()
together = threading.Barrier(8)
def allocate():
    kept = [bytearray(1000) for _ in range(100)]
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


@glibc
def test_free_memory_goes_back():
    blocks = [bytearray(60_000) for _ in range(2000)]
    last = blocks.pop()
    blocks.clear()
    before = resident_mb()
    give_back()
    assert resident_mb() < before - 50
    assert last is not None  # it lay above what was freed


def arenas(tmp_path: Path, *arguments: str) -> int:
    told = tmp_path / "malloc.xml"
    subprocess.run([sys.executable, "-c", THREADS, told, *arguments], check=True)
    return len(re.findall(r"<heap nr=", told.read_text()))


@glibc
def test_threads_share_arenas(tmp_path):
    assert arenas(tmp_path, "shared") <= allocator.ARENAS < arenas(tmp_path)


def test_memory_goes_back_after_each_row_of_tiles_and_at_the_end(monkeypatch):
    seen: list[str] = []
    monkeypatch.setattr(allocator, "give_back", lambda: seen.append("given back"))
    steps = [SimpleNamespace(rows=rows) for rows in [(0, 0), (0, 8), (8, 8), (8, 16)]]
    for step in giving_back(steps):
        seen.append(str(step.rows))
    assert seen == ["(0, 0)", "(0, 8)", "given back", "(8, 8)", "(8, 16)", *["given back"] * 2]


@pytest.mark.parametrize(
    ("system", "library"), [("win32", None), ("darwin", None), ("linux", SimpleNamespace())]
)
def test_nothing_is_done_without_glibc(monkeypatch, system, library):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: library)
    allocator._glibc.cache_clear()
    try:
        give_back()
        allocator.share_arenas()
    finally:
        allocator._glibc.cache_clear()
