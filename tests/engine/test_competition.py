import tracemalloc

import numpy as np
import pytest
from scipy.special import expit, logit

from napari_clipseg.engine import competition
from napari_clipseg.engine.competition import (
    Contestant,
    LegendRow,
    compete,
    competition_labels,
    independent,
)
from napari_clipseg.engine.labels import LabelSettings, label
from napari_clipseg.errors import ImageError, SettingError

HALF = Contestant()


def noise(prompts=3, shape=(40, 50), seed=0):
    values = np.random.default_rng(seed).normal(0, 2, (prompts, *shape))
    return expit(values).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.4, 0.5, 1.0])
def test_a_prompt_alone_wins_what_label_finds(threshold):
    probability = noise(1)
    probability[0, 0, :4] = [0, 1, 1e-9, threshold]
    found = compete(probability, [Contestant(threshold)])
    assert ((found == 1) == (label(probability[0], threshold) > 0)).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_margin_over_its_own_threshold_wins(seed):
    probability = noise(seed=seed)
    thresholds = [0.2, 0.5, 0.7]
    margins = logit(probability.astype(float)) - logit(thresholds)[:, None, None]
    expected = np.where(margins.max(0) > 0, margins.argmax(0) + 1, 0)
    found = compete(probability, [Contestant(each) for each in thresholds])
    assert found.dtype == np.int32
    assert set(np.unique(found)) == {0, 1, 2, 3}
    assert (found == expected).all()


def test_raising_a_threshold_never_gains_a_pixel():
    probability = noise()
    before = compete(probability, [HALF] * 3) == 2
    after = compete(probability, [HALF, Contestant(0.7), HALF]) == 2
    assert after.sum() < before.sum()
    assert not (after & ~before).any()


def test_certain_pixels_and_ties_go_to_the_first_prompt():
    probability = np.ones((2, 1, 3), np.float32)
    probability[:, 0, 1], probability[:, 0, 2] = 0, 0.8
    assert compete(probability, [HALF, HALF]).tolist() == [[1, 0, 1]]
    assert compete(probability, [Contestant(0.6), HALF]).tolist() == [[2, 0, 2]]


def test_a_negative_prompt_makes_background_of_what_it_wins():
    probability = np.array([[[0.9, 0.9, 0.2]], [[0.6, 0.95, 0.9]]])
    rivals = [HALF, Contestant(negative=True)]
    assert compete(probability, rivals).tolist() == [[1, 0, 0]]
    assert independent(probability, rivals).tolist() == [[[True, False, False]], [[False] * 3]]


def test_independent_prompts_may_overlap_but_only_where_no_negative_one_is_higher():
    probability = noise(3)
    found = independent(probability, [HALF, Contestant(0.3), HALF])
    assert (found[0] == (probability[0] > 0.5)).all()
    assert (found[1] == (probability[1] > np.float32(0.3))).all()
    assert (found.sum(0) > 1).any()
    less = independent(probability, [HALF, Contestant(0.3), Contestant(negative=True)])
    assert not less[2].any()
    for number, threshold in enumerate((0.5, 0.3)):
        kept = logit(probability[number]) - logit(threshold) >= logit(probability[2])
        assert (less[number] == (found[number] & (kept | (probability[2] <= 0.5)))).all()


@pytest.mark.parametrize("smoothing", [0.0, 1.3])
def test_bands_of_any_height_give_the_same(monkeypatch, smoothing):
    probability, rivals = noise(), [HALF, Contestant(0.3), Contestant(0.4, negative=True)]
    settings = LabelSettings(smoothing=smoothing)
    expected, legend = competition_labels(probability, rivals, settings, instances=True)
    apart = independent(probability, rivals)
    for values in (1, 3 * 50 * 7):
        monkeypatch.setattr(competition, "BAND_VALUES", values)
        labels, again = competition_labels(probability, rivals, settings, instances=True)
        assert (labels == expected).all()
        assert again == legend
        assert (independent(probability, rivals) == apart).all()


def test_memory_grows_by_the_answer_only():
    probability = np.full((5, 1500, 1500), 0.6, np.float32)
    tracemalloc.start()
    try:
        compete(probability, [HALF] * 5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 4 * 1500**2 + 6 * 8 * competition.BAND_VALUES < 2 * probability.nbytes * 2


def test_pixels_without_a_number_never_win():
    probability = noise(2)
    probability[0, :5] = np.nan
    probability[:, 5:9] = np.nan
    found = compete(probability, [HALF, HALF])
    assert set(np.unique(found[:5])) == {0, 2}
    assert (found[5:9] == 0).all()
    with pytest.raises(ImageError, match="NaN"):
        compete(np.full((2, 4, 4), np.nan), [HALF, HALF])
    with pytest.raises(ImageError, match="NaN"):
        competition_labels(
            np.full((1, 4, 4), np.nan), [HALF], LabelSettings(smoothing=1), instances=False
        )


def blobs():
    """Prompt 0: a ring whose hole holds one pixel of prompt 1, and a speck; prompt 1: a bar."""
    probability = np.full((2, 12, 20), 0.1, np.float32)
    probability[0, 1:8, 1:8] = 0.9
    probability[0, 3:6, 3:6] = 0.1
    probability[1, 4, 4] = 0.8
    probability[0, 10, 3] = 0.9
    probability[1, 2:6, 12:18] = 0.9
    return probability


def test_semantic_labels_are_the_numbers_of_the_prompts():
    labels, legend = competition_labels(blobs(), [HALF, HALF], LabelSettings(), instances=False)
    assert set(np.unique(labels)) == {0, 1, 2}
    assert legend == (LegendRow(1, 0, 41), LegendRow(2, 1, 25))


def test_instances_are_numbered_on_through_all_prompts():
    labels, legend = competition_labels(blobs(), [HALF, HALF], LabelSettings(), instances=True)
    assert [(row.value, row.prompt) for row in legend] == [(1, 0), (2, 0), (3, 1), (4, 1)]
    assert [row.area_px for row in legend] == np.bincount(labels.ravel())[1:].tolist()
    assert labels.dtype == np.int32


def test_holes_are_filled_around_what_another_prompt_won_there():
    settings = LabelSettings(fill_holes=True)
    for negative in (False, True):
        rivals = [HALF, Contestant(negative=negative)]
        labels, _ = competition_labels(blobs(), rivals, settings, instances=False)
        assert labels[4, 4] == (0 if negative else 2)
        assert (labels[1:8, 1:8] == 1).sum() == 48


def test_a_speck_that_is_dropped_leaves_no_hole():
    settings = LabelSettings(fill_holes=9, min_size=2)
    labels, legend = competition_labels(blobs(), [HALF, HALF], settings, instances=True)
    assert legend == (LegendRow(1, 0, 49), LegendRow(2, 1, 24))
    assert (labels[1:8, 1:8] == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_one_prompt_alone_gives_the_labels_of_label(seed):
    probability = noise(1, seed=seed)
    settings = LabelSettings(0.6, min_size=4, fill_holes=3, smoothing=0.8)
    expected = label(probability[0], 0.6, min_size=4, fill_holes=3, smoothing=0.8)
    labels, legend = competition_labels(probability, [Contestant(0.6)], settings, instances=True)
    assert expected.max() == len(legend) > 3
    assert (labels == expected).all()


def test_what_nobody_won_has_no_row():
    nothing = np.full((2, 5, 5), 0.1)
    for instances in (False, True):
        labels, legend = competition_labels(
            nothing, [HALF, Contestant(negative=True)], LabelSettings(), instances=instances
        )
        assert not labels.any()
        assert legend == ()


@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 4), (3, 2, 4, 4)])
def test_another_number_of_prompts_is_refused(shape):
    for function in (compete, independent):
        with pytest.raises(SettingError, match="contestants"):
            function(np.zeros(shape), [HALF] * 3)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_an_impossible_threshold_is_refused(threshold):
    with pytest.raises(SettingError, match="threshold"):
        Contestant(threshold)
