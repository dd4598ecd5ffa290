import errno
from pathlib import Path

import pytest

from napari_clipseg.errors import OutputError
from napari_clipseg.train.journal import Journal, read_table


@pytest.fixture
def file(tmp_path):
    return tmp_path / "log.csv"


def rows(file):
    return [",".join(row) for row in read_table(file)]


def test_rows_are_appended_under_the_columns_of_the_first(file):
    journal = Journal(file)
    for step in (1, 2):
        journal.write(step, {"a, b": step / 2, "c": 0})
    assert file.read_text() == 'step,"a, b",c\n1,0.5,0\n2,1.0,0\n'


def test_a_file_that_is_not_gone_on_with_is_begun_anew(file):
    file.write_text("step,a\n1,1\n")
    Journal(file).write(1, {"b": 2})
    assert rows(file) == ["step,b", "1,2"]


def test_a_resumed_run_keeps_earlier_rows_and_forgets_later_ones(file):
    file.write_text("step,a\n1,10\n2,20\n3,30\n")
    journal = Journal(file)
    journal.go_on(2)
    assert rows(file) == ["step,a", "1,10", "2,20"]
    journal.write(3, {"a": 33})
    assert rows(file) == ["step,a", "1,10", "2,20", "3,33"]


def test_a_step_is_never_written_twice(file):
    file.write_text("step,a\n8,1\n")
    journal = Journal(file)
    journal.go_on(8)
    journal.write(8, {"a": 2})
    journal.write(9, {"a": 3})
    journal.write(9, {"a": 4})
    assert rows(file) == ["step,a", "8,1", "9,3"]


@pytest.mark.parametrize("content", ["", "step,a\n", "step,a\n1", "step,a\n7,1\n"])
def test_a_file_without_a_row_to_keep_is_begun_anew(file, content):
    file.write_text(content)
    journal = Journal(file)
    journal.go_on(5)
    assert not file.exists()
    journal.write(6, {"b": 1})
    assert rows(file) == ["step,b", "6,1"]


def test_a_row_that_a_full_disk_cut_short_is_forgotten(file):
    file.write_text("step,a,b\n9,1,2\n10,3,4\n1")
    Journal(file).go_on(10)
    assert file.read_text() == "step,a,b\n9,1,2\n10,3,4\n"


def test_going_on_without_a_file_begins_one(file):
    journal = Journal(file)
    journal.go_on(5)
    journal.write(6, {"a": 1})
    assert rows(file) == ["step,a", "6,1"]


def test_a_full_disk_is_an_error_that_names_the_file(file, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match=r"log\.csv cannot be written: No space left"):
        Journal(file).write(1, {"a": 1})
