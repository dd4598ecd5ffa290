"""A real cluster of two processes, one of which dies in the middle."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import cloudpickle
import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from distributed import Client, LocalCluster

from napari_clipseg.cluster.job import ClusterSettings
from napari_clipseg.cluster.run import segment_on_cluster
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import (
    EngineError,
    ImageError,
    OutputError,
    SettingError,
    UnknownName,
    WeightsNotFound,
)

pytestmark = pytest.mark.slow

CLUSTER_GUIDE = Path(__file__).parents[2] / "docs" / "cluster.md"
PROMPTS = ["nuclei", "background"]
OPTIONS = {"device": "cpu", "tile": 64, "overlap": 16}


class ArmedImage:
    """A stored image; the first box that is read once it is armed does harm."""

    def __init__(self, path, armed, harm):
        stored = zarr.open_array(path, mode="r")
        self.shape, self.dtype, self.ndim = stored.shape, stored.dtype, stored.ndim
        self._path, self._armed, self._harm = path, armed, harm

    def __getitem__(self, key):
        if self._armed.exists():
            HARMS[self._harm](self._armed)
        return zarr.open_array(self._path, mode="r")[key]


def die_once(armed):
    armed.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def fail_once(armed):
    armed.unlink()
    raise OSError("the network stumbled")


def fail_always(armed):
    raise ValueError("the stars are wrong")


HARMS = {"die once": die_once, "fail once": fail_once, "fail always": fail_always}


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[Client]:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    image = np.random.default_rng(0).integers(0, 4000, (500, 300)).astype(np.uint16)
    path = tmp_path_factory.mktemp("image") / "image.zarr"
    zarr.create_array(path, data=image, chunks=(100, 100))
    return path


@pytest.fixture(scope="module")
def expected(stored, tiny_weights) -> np.ndarray:
    """The result of one machine."""
    image = zarr.open_array(stored, mode="r")
    out = np.zeros((len(PROMPTS), *image.shape), np.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in Segmenter(tiny_weights, **OPTIONS).run(image, PROMPTS, out):
        pass
    torch.set_num_threads(threads)
    assert out.std() > 0.001
    return out


@pytest.fixture
def settings(tiny_weights):
    def make(**changes) -> ClusterSettings:
        return ClusterSettings(
            **{"model": tiny_weights, "segmenter": OPTIONS, "rows": 90, **changes}
        )

    return make


def test_a_stopped_run_goes_on_from_the_tiles_that_are_encoded(
    client, stored, expected, settings, tmp_path
):
    output, features = tmp_path / "out.zarr", tmp_path / "features"
    run = segment_on_cluster(client, stored, PROMPTS, output, settings(features=features))
    next(run)
    run.close()
    assert not output.exists()
    kept = {path: path.stat().st_mtime_ns for path in features.glob("c/*/0/0/0")}
    assert len(kept) >= 4
    for _ in segment_on_cluster(client, stored, PROMPTS, output, settings(features=features)):
        pass
    assert (zarr.open_array(output, mode="r")[:] == expected).all()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_task_that_failed_is_tried_again(client, stored, expected, settings, tmp_path):
    armed, output = tmp_path / "armed", tmp_path / "out.zarr"
    image = ArmedImage(stored, armed, "fail once")
    run = segment_on_cluster(client, image, "nuclei", output, settings())
    next(run)
    armed.touch()
    for _ in run:
        pass
    assert not armed.exists()
    np.testing.assert_allclose(zarr.open_array(output, mode="r")[:], expected[0], atol=1e-6)


def test_a_lazy_dask_image_is_read_on_the_workers(client, stored, expected, settings, tmp_path):
    image = da.from_zarr(str(stored))
    output = tmp_path / "out.zarr"
    for _ in segment_on_cluster(client, image, PROMPTS, output, settings()):
        pass
    assert (zarr.open_array(output, mode="r")[:] == expected).all()


def test_a_task_that_fails_is_one_clear_error(client, stored, settings, tmp_path):
    armed, output = tmp_path / "armed", tmp_path / "out.zarr"
    image = ArmedImage(stored, armed, "fail always")
    run = segment_on_cluster(client, image, "nuclei", output, settings(retries=1))
    next(run)
    armed.touch()
    with pytest.raises(EngineError, match="the stars are wrong"):
        for _ in run:
            pass
    assert not output.exists()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"model": "/nowhere/weights.safetensors"}, (WeightsNotFound, UnknownName), "nowhere"),
        ({"segmenter": {"overlap": 999}}, SettingError, "overlap"),
    ],
)
def test_errors_of_the_workers_arrive_as_they_are(
    client, stored, settings, tmp_path, changes, error, words
):
    with pytest.raises(error, match=words):
        next(segment_on_cluster(client, stored, "a", tmp_path / "out.zarr", settings(**changes)))


def test_what_cannot_be_run_is_refused_before_anything_is_sent(stored, settings, tmp_path):
    image = zarr.open_array(stored, mode="r")[:]
    cases = [
        ((image, "a", tmp_path / "out"), ImageError, "in memory"),
        ((tmp_path / "none.zarr", "a", tmp_path / "out"), ImageError, "cannot be opened"),
        ((stored, "a", tmp_path), OutputError, "already"),
        ((stored, "a", stored / "zarr.json" / "out"), OutputError, "cannot be written"),
    ]
    for (query, prompts, output), error, words in cases:
        with pytest.raises(error, match=words):
            next(segment_on_cluster(None, query, prompts, output, settings()))
    with pytest.raises(SettingError, match="threads"):
        ClusterSettings(threads=0)


def test_the_example_of_the_guide_runs(client, stored, tiny_weights, tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", CLUSTER_GUIDE.read_text(), re.S)
    monkeypatch.setattr("distributed.LocalCluster", lambda **_: nullcontext())
    monkeypatch.setattr("distributed.Client", lambda _: nullcontext(client))
    monkeypatch.chdir(tmp_path)
    zarr.create_array("image.zarr", data=zarr.open_array(stored, mode="r")[:100, :100])
    exec(example, {"__name__": "__main__", "model": tiny_weights})
    assert zarr.open_array("out.zarr", mode="r").shape == (2, 100, 100)


def test_a_lost_worker_changes_nothing(client, stored, expected, settings, tmp_path):
    armed, output = tmp_path / "armed", tmp_path / "out.zarr"
    image = ArmedImage(stored, armed, "die once")
    before = set(client.run(os.getpid).values())
    seen = []
    for done in segment_on_cluster(client, image, PROMPTS, output, settings()):
        seen.append(done)
        assert not output.exists()
        if len(seen) == 1:
            armed.touch()
    assert not armed.exists()
    assert len(before & set(client.run(os.getpid).values())) == 1
    assert (zarr.open_array(output, mode="r")[:] == expected).all()
    for stage, several in (("encode", 6), ("decode", 6)):
        of_stage = [done for done in seen if done.stage == stage]
        assert [done.index for done in of_stage] == list(range(1, of_stage[0].total + 1))
        assert len(of_stage) >= several
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.zarr"]


def test_without_dask_one_error_says_what_to_install():
    code = "import sys; sys.modules['distributed'] = None; import napari_clipseg.cluster"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "napari-clipseg[cluster]"' in done.stderr.splitlines()[-1]
