from __future__ import annotations

import dataclasses
import hashlib
import socket
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError

from napari_clipseg.errors import ClipSegError, UnknownName, WeightsInvalid, WeightsNotFound
from napari_clipseg.model import weights
from napari_clipseg.model.catalog import MODELS
from napari_clipseg.model.checkpoint import load_model

COMMIT = "c" * 40
CONTENT = bytes(range(256)) * 12
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class FakeHub:
    """Stands in for the one call that uses the network, and writes the hub's cache layout."""

    def __init__(self) -> None:
        self.files = {"config.json": b"{}", "model.safetensors": CONTENT}
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.swallows = False

    def download(self, repo, filename, *, cache_dir, tqdm_class) -> str:
        self.asked.append(filename)
        if self.error is not None:
            raise self.error
        if filename not in self.files:
            raise EntryNotFoundError(f"404 {filename}")
        self._transfer(self.files[filename], tqdm_class)
        return str(put(cache_dir, repo, filename, self.files[filename]))

    def _transfer(self, content: bytes, tqdm_class) -> None:
        options = {"unit": "B", "unit_scale": True, "desc": "a file", "disable": None}
        with tqdm_class(total=len(content), initial=0, **options) as bar:
            for start in range(0, len(content), 1024):
                try:
                    bar.update(len(content[start : start + 1024]))
                except Exception:
                    if not self.swallows:
                        raise
            bar.set_postfix_str("1 MB/s", refresh=False)


def put(cache: Path, repo: str, filename: str, content: bytes) -> Path:
    folder = Path(cache) / f"models--{repo.replace('/', '--')}"
    blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
    pointer = folder / "snapshots" / COMMIT / filename
    for path in (blob, pointer, folder / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    (folder / "refs" / "main").write_text(COMMIT)
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(blob)
    return pointer


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for name in (weights.CACHE_VARIABLE, *weights.OFFLINE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "default"))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def hub(monkeypatch) -> FakeHub:
    hub = FakeHub()
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    return hub


def yes(_: object) -> bool:
    return True


def test_weights_that_are_not_here_are_said_to_be_missing_with_place_and_command(tmp_path):
    with pytest.raises(WeightsNotFound) as caught:
        weights.locate("rd64", cache=tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "napari-clipseg weights fetch rd64" in str(caught.value)
    assert not weights.is_present("rd64", cache=tmp_path)


def test_fetched_weights_are_found_without_the_network(hub, tmp_path, no_network):
    path = weights.fetch("rd64", accept=yes, cache=tmp_path)
    assert path.read_bytes() == CONTENT
    assert (path.parent / "config.json").is_file()
    assert weights.is_present("rd64", cache=tmp_path)
    assert weights.locate("rd64", cache=tmp_path, offline=True) == path


def test_weights_that_are_here_are_neither_fetched_nor_asked_about_again(hub, tmp_path):
    path = weights.fetch("rd64", accept=yes, cache=tmp_path)
    hub.asked.clear()
    again = weights.fetch("rd64", accept=lambda _: pytest.fail("asked again"), cache=tmp_path)
    assert again == path
    assert hub.asked == []


def test_the_licence_is_shown_before_anything_is_fetched(hub, tmp_path):
    shown = []

    def accept(entry) -> bool:
        shown.append((entry.name, entry.licence_note, list(hub.asked)))
        return True

    weights.fetch("rd64-refined", accept=accept, cache=tmp_path)
    assert shown == [("rd64-refined", MODELS["rd64-refined"].licence_note, [])]


def test_a_refused_licence_fetches_nothing(hub, tmp_path):
    with pytest.raises(WeightsNotFound, match="licence of 'rd64' was not accepted"):
        weights.fetch("rd64", accept=lambda _: False, cache=tmp_path)
    assert hub.asked == []


def test_the_older_file_is_fetched_where_the_hub_has_no_safetensors(hub, tmp_path):
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"1234"}
    path = weights.fetch("rd64", accept=yes, cache=tmp_path)
    assert path.name == "pytorch_model.bin"
    assert weights.locate("rd64", cache=tmp_path) == path


def test_safetensors_are_preferred_where_both_are_cached(tmp_path):
    repo = MODELS["rd16"].source.repo
    put(tmp_path, repo, "pytorch_model.bin", b"1234")
    preferred = put(tmp_path, repo, "model.safetensors", CONTENT)
    assert weights.locate("rd16", cache=tmp_path) == preferred


def test_a_repository_without_weights_is_refused(hub, tmp_path):
    hub.files = {"config.json": b"{}"}
    with pytest.raises(WeightsNotFound, match=r"holds none of model\.safetensors, pyt"):
        weights.fetch("rd64", accept=yes, cache=tmp_path)


def test_progress_follows_the_weights_file_only(hub, tmp_path):
    calls = []
    weights.fetch("rd64", accept=yes, cache=tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [(1024, 3072), (2048, 3072), (3072, 3072)]


@pytest.mark.parametrize("swallows", [False, True], ids=["http", "xet"])
def test_an_exception_of_the_progress_callback_cancels_and_comes_back(hub, tmp_path, swallows):
    class Cancelled(Exception):
        pass

    def progress(done: int, total: int | None) -> None:
        raise Cancelled

    hub.swallows = swallows
    with pytest.raises(Cancelled):
        weights.fetch("rd64", accept=yes, cache=tmp_path, progress=progress)


def test_a_file_whose_transfer_broke_off_is_not_taken_for_weights(tmp_path):
    folder = tmp_path / "models--CIDAS--clipseg-rd64"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / f"{SHA256}.incomplete").write_bytes(CONTENT[:100])
    assert not weights.is_present("rd64", cache=tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route to host"),
        ConnectionError(),
        huggingface_hub.errors.LocalEntryNotFoundError("not reached"),
        RuntimeError("CAS service error"),
    ],
)
def test_every_failure_of_the_hub_becomes_one_error_that_says_what_to_do(hub, tmp_path, error):
    hub.error = error
    with pytest.raises(WeightsNotFound, match="Check connection, proxy") as caught:
        weights.fetch("rd64", accept=yes, cache=tmp_path)
    assert "https://huggingface.co/CIDAS/clipseg-rd64" in str(caught.value)
    assert not isinstance(caught.value, RuntimeError)


def test_what_is_fetched_has_to_have_the_hash_of_the_catalog(hub, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "rd64", dataclasses.replace(MODELS["rd64"], sha256="0" * 64))
    with pytest.raises(WeightsInvalid, match=f"{SHA256} instead of 000"):
        weights.fetch("rd64", accept=yes, cache=tmp_path)


def test_offline_by_argument_never_touches_the_network(tmp_path, no_network):
    with pytest.raises(WeightsNotFound, match="network is switched off"):
        weights.fetch("rd64", accept=yes, cache=tmp_path, offline=True)


@pytest.mark.parametrize("variable", weights.OFFLINE_VARIABLES)
def test_offline_by_environment_never_touches_the_network(
    variable, tmp_path, no_network, monkeypatch
):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(WeightsNotFound, match="network is switched off"):
        weights.fetch("owner/name", accept=yes, cache=tmp_path)
    with pytest.raises(WeightsNotFound, match="network is switched off"):
        weights.locate("rd64", cache=tmp_path)


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("TRUE", True), ("0", False), ("", False), ("off", False)]
)
def test_the_environment_says_offline_in_the_usual_words(value, offline, monkeypatch):
    monkeypatch.setenv("NAPARI_CLIPSEG_OFFLINE", value)
    assert weights.is_offline() is offline
    assert weights.is_offline(not offline) is (not offline)


def test_the_cache_is_chosen_by_argument_then_environment_then_default(tmp_path, monkeypatch):
    assert weights.cache_folder() == tmp_path / "default"
    monkeypatch.setenv("NAPARI_CLIPSEG_CACHE", str(tmp_path / "mine"))
    assert weights.cache_folder() == tmp_path / "mine"
    assert weights.cache_folder(tmp_path / "given") == tmp_path / "given"


def test_weights_are_looked_for_in_the_cache_of_the_environment(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CLIPSEG_CACHE", str(tmp_path / "mine"))
    assert (tmp_path / "mine") in weights.fetch("rd64", accept=yes).parents
    assert weights.is_present("rd64")


def test_a_hub_repository_outside_the_catalog_is_found_once_it_is_fetched(hub, tmp_path):
    with pytest.raises(WeightsNotFound, match="weights fetch owner/name"):
        weights.locate("owner/name", cache=tmp_path)
    shown = []
    path = weights.fetch(
        "owner/name", accept=lambda entry: shown.append(entry) or True, cache=tmp_path
    )
    assert "read its licence on https://huggingface.co/owner/name" in shown[0].licence_note
    assert weights.locate("owner/name", cache=tmp_path) == path


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rd46", "did you mean rd64"),
        ("stater", "did you mean starter"),
        ("zzz", "there are starter, rd64-refined"),
    ],
)
@pytest.mark.parametrize("ask", [weights.locate, weights.is_present])
def test_an_unknown_name_is_refused_with_near_ones(ask, name, hint):
    with pytest.raises(UnknownName, match=hint):
        ask(name)


@pytest.mark.parametrize("name", ["", "  "])
@pytest.mark.parametrize("ask", [weights.locate, weights.is_present, load_model])
def test_a_name_that_is_blank_is_not_the_folder_one_is_in(ask, name, tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match="no model is named: give one of starter"):
        ask(name)


def test_an_unknown_name_cannot_be_fetched(hub):
    with pytest.raises(UnknownName, match="did you mean rd64-refined"):
        weights.fetch("rd64refined", accept=yes)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_its_own_place(kind, tmp_path):
    path = tmp_path / "mine.pth"
    path.touch()
    assert weights.locate(kind(path)) == path


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "anything.pth"])
def test_a_folder_stands_for_the_weights_in_it(name, tmp_path):
    (tmp_path / name).touch()
    (tmp_path / "config.json").touch()
    assert weights.locate(tmp_path) == tmp_path / name


def test_a_folder_with_several_unknown_files_is_refused_by_naming_them(tmp_path):
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).touch()
    with pytest.raises(WeightsNotFound, match=r"found a\.pth, b\.pth"):
        weights.locate(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(WeightsNotFound, match="found none"):
        weights.locate(tmp_path)


@pytest.mark.parametrize("name", ["no/such/file.pth", "owner/file.safetensors", "gone.pth"])
def test_a_path_without_a_file_is_said_to_be_missing(name):
    with pytest.raises(WeightsNotFound, match="there is no weights file or folder"):
        weights.locate(name)


def test_a_path_object_is_never_taken_for_a_name():
    with pytest.raises(WeightsNotFound, match="there is no weights file or folder"):
        weights.locate(Path("rd64"))


def test_missing_bundled_weights_advise_to_install_again(monkeypatch):
    gone = dataclasses.replace(
        MODELS["starter"], source=weights.Bundled("starter/gone.safetensors")
    )
    monkeypatch.setitem(MODELS, "starter", gone)
    for ask in (weights.locate, lambda name: weights.fetch(name, accept=yes)):
        with pytest.raises(WeightsNotFound, match="install napari-clipseg again"):
            ask("starter")


def test_the_hash_of_a_file_is_its_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert weights.file_sha256(path) == SHA256
    assert weights.hub_sha256(path) is None


def test_the_cache_of_the_hub_tells_the_hash_of_a_file(hub, tmp_path):
    assert weights.hub_sha256(weights.fetch("rd64", accept=yes, cache=tmp_path)) == SHA256


def test_no_error_of_this_room_is_a_runtime_error():
    for error in (WeightsNotFound, WeightsInvalid, UnknownName):
        assert issubclass(error, ClipSegError)
        assert not issubclass(error, RuntimeError)
