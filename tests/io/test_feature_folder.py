import os

import pytest

from napari_clipseg.errors import SettingError
from napari_clipseg.io.feature_folder import STAMP, FeatureFolder


def add(folder: FeatureFolder, name: str, size: int, used: float) -> None:
    place = folder.place(name, {"file": name}, size)
    place.mkdir()
    (place / STAMP).touch()
    (place / "chunk").write_bytes(bytes(size))
    os.utime(place / STAMP, (used, used))


@pytest.fixture
def folder(tmp_path):
    folder = FeatureFolder(tmp_path / "features")
    for name, used in (("a", 3e8), ("b", 1e8), ("c", 2e8)):
        add(folder, name, 100, used)
    return folder


def names(folder: FeatureFolder) -> list[str]:
    return [entry.path.name.split("-")[0] for entry in folder.entries()]


def test_entries_come_least_recently_used_first(folder):
    assert names(folder) == ["b", "c", "a"]
    assert [entry.size for entry in folder.entries()] == [100] * 3


def test_prune_removes_the_least_recently_used_until_the_rest_fits(folder):
    gone = folder.prune(250)
    assert [entry.path.name[0] for entry in gone] == ["b"]
    assert names(folder) == ["c", "a"]
    folder.prune(0)
    assert names(folder) == []


def test_to_ask_for_a_place_is_to_use_it(folder):
    folder.place("b", {"file": "b"}, 100)
    assert names(folder) == ["c", "a", "b"]


def test_room_is_made_before_new_features_come(folder):
    FeatureFolder(folder.path, budget=300).place("d", {}, 150)
    assert names(folder) == ["a"]
    FeatureFolder(folder.path, budget=100).place("a", {"file": "a"}, 100)
    assert names(folder) == ["a"]


def test_features_larger_than_the_budget_are_refused(folder):
    with pytest.raises(SettingError, match="more than the budget"):
        FeatureFolder(folder.path, budget=10).place("d", {}, 11)
    assert len(names(folder)) == 3


def test_another_origin_has_another_place(folder):
    assert folder.place("a", {"x": 1}, 1) != folder.place("a", {"x": 2}, 1)
