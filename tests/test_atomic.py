import pytest

from napari_clipseg.atomic import atomic_path, writable_folder
from napari_clipseg.errors import OutputError


def test_file_appears_when_the_block_ends(tmp_path):
    file = tmp_path / "a.txt"
    with atomic_path(file) as unfinished:
        unfinished.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, failure):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(failure), atomic_path(file) as unfinished:
        unfinished.write_text("half")
        raise failure
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_failure_of_the_disk_is_an_output_error(tmp_path):
    with (
        pytest.raises(OutputError, match="No space"),
        atomic_path(tmp_path / "a.txt"),
    ):
        raise OSError(28, "No space left on device")


def test_folder_is_made_and_left_empty(tmp_path):
    assert list(writable_folder(tmp_path / "a" / "b").iterdir()) == []


def test_folder_that_cannot_be_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"^the folder .*folder cannot be written to: "):
        writable_folder(tmp_path / "file" / "folder")
