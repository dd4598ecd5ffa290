import json

import pytest
import torch

from napari_clipseg.engine.companies import Companies
from napari_clipseg.engine.store import (
    DiskStore,
    create_store,
    remove_unreadable,
    stored_valid,
)
from napari_clipseg.errors import FeaturesInvalid

SHAPE = (3, 2, 5, 4)
ORIGIN = {"image": "a"}


@pytest.fixture
def folder(tmp_path):
    create_store(tmp_path / "features", SHAPE, torch.float32, ORIGIN)
    return tmp_path / "features"


def changed(content: bytes, **fields) -> bytes:
    return json.dumps({**json.loads(content), **fields}).encode()


DAMAGES = {
    "junk": lambda _: b"junk",
    "cut": lambda content: content[:100],
    "empty": lambda _: b"",
    "another value": lambda _: b"[]",
    "a group": lambda _: b'{"zarr_format": 3, "node_type": "group", "attributes": {}}',
    "no attributes": lambda content: changed(content, attributes=None),
    "an origin that is none": lambda content: changed(
        content, attributes={"origin": "3", "dtype": "float32"}
    ),
    "no shape": lambda content: changed(content, shape="x"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_features_that_cannot_be_read_are_refused_with_what_to_do(folder, damage):
    stamp = folder / "zarr.json"
    stamp.write_bytes(DAMAGES[damage](stamp.read_bytes()))
    with pytest.raises(FeaturesInvalid, match="remove that folder: it is only a cache"):
        create_store(folder, SHAPE, torch.float32, ORIGIN)


def test_a_damaged_record_of_companies_is_refused(folder):
    (folder / "companies").write_bytes(b"0 1\n\xff\n")
    with pytest.raises(FeaturesInvalid, match="remove that folder"):
        DiskStore(folder)


def test_what_says_which_pixels_hold_data_is_refused_where_it_is_damaged(folder):
    assert stored_valid(folder) is None
    (folder / "valid").mkdir()
    (folder / "valid" / "zarr.json").write_text("junk")
    with pytest.raises(FeaturesInvalid, match="remove that folder"):
        stored_valid(folder)


@pytest.mark.parametrize("damaged", ["zarr.json", "companies", "valid/zarr.json"])
def test_only_what_cannot_be_read_is_removed(folder, damaged):
    Companies(folder / "companies").add((0, 2))
    remove_unreadable(folder)
    assert DiskStore(folder).origin == ORIGIN
    (folder / damaged).parent.mkdir(exist_ok=True)
    (folder / damaged).write_text("junk\n")
    remove_unreadable(folder)
    assert not folder.exists()
    remove_unreadable(folder)
