import pytest

from napari_clipseg.engine.companies import Companies
from napari_clipseg.errors import OutputError

BATCH = (4, 5, 6, 7)


def nothing(_):
    return False


def test_an_untouched_batch_is_encoded_as_asked():
    assert Companies().to_encode(BATCH, (4, 6), nothing) == [(4, 6)]


def test_a_batch_that_was_begun_is_encoded_whole():
    assert Companies().to_encode(BATCH, (6,), {4, 5}.__contains__) == [BATCH]


def test_recorded_tiles_are_encoded_together_again_and_the_rest_alone():
    companies = Companies()
    companies.add((4, 5))
    assert companies.to_encode(BATCH, (5, 6, 7), {4}.__contains__) == [(4, 5), (6, 7)]
    assert companies.to_encode(BATCH, (5,), nothing) == [(4, 5)]


def test_the_record_lasts_and_a_line_that_was_cut_does_not_count(tmp_path):
    file = tmp_path / "companies"
    for _ in range(2):
        Companies(file).add((4, 5))
    with file.open("a") as record:
        record.write("6 7")
    assert file.read_text() == "4 5\n6 7"
    assert Companies(file).to_encode(BATCH, (4, 6), nothing) == [(4, 5), (6,)]


def test_a_record_that_cannot_be_written_is_one_clear_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        Companies(tmp_path / "missing" / "companies").add((1, 2))
