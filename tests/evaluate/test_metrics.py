import numpy as np
import pytest
from scipy.integrate import simpson

from napari_clipseg.errors import SettingError
from napari_clipseg.evaluate.metrics import (
    FIXED_THRESHOLDS,
    MEAN_IOUS,
    THRESHOLDS,
    Best,
    Tally,
    at,
    count,
)

RNG = np.random.default_rng(0)
SAMPLES = [
    (RNG.random((9, 11)).astype(np.float32) ** power, RNG.random((9, 11)) < share, concept)
    for power, share, concept in [(1, 0.5, "a"), (3, 0.2, "b"), (0.4, 0.7, "a"), (8, 0.0, "b")]
]


def slow_stats(probability, mask, threshold):
    found = probability > np.float32(threshold)
    return np.array(
        [(found & mask).sum(), (found & ~mask).sum(), (~found & mask).sum(), (~found & ~mask).sum()]
    )


def slow_iou(stats):
    tp, fp, fn, _ = stats
    return tp / (1 + tp + fp + fn)


def slow_curves(samples):
    """IoU_FG, IoU_BIN, AP by loops over thresholds and samples, straight from the definition."""
    foreground, binary, pairs = [], [], set()
    for threshold in [0.02 * k for k in range(1, 50)]:
        stats = sum(slow_stats(p, m, threshold) for p, m, _ in samples)
        tp, fp, fn, tn = stats
        foreground.append(slow_iou(stats))
        binary.append((slow_iou(stats) + tn / (1 + tn + fn + fp)) / 2)
        if tp + fp:
            pairs.add((tp / (1 + tp + fn), tp / (1 + tp + fp)))
    recall, precision = zip(*sorted(pairs), strict=True)
    return np.array(foreground), np.array(binary), simpson(precision, x=recall)


def tallied(samples):
    tallies = {}
    for probability, mask, concept in samples:
        tallies.setdefault(concept, Tally()).add(count(probability, mask))
    return tallies


def test_there_are_the_authors_49_thresholds():
    np.testing.assert_allclose(THRESHOLDS, [0.02 * k for k in range(1, 50)])


def test_all_values_equal_an_independent_implementation():
    total = Tally.total(tallied(SAMPLES).values())
    foreground, binary, precision = slow_curves(SAMPLES)
    np.testing.assert_allclose(total.counts.iou_fg, foreground, atol=1e-9, rtol=0)
    np.testing.assert_allclose(total.counts.iou_bin, binary, atol=1e-9, rtol=0)
    assert abs(total.counts.average_precision - precision) < 1e-9
    assert total.samples == 4


def test_mean_iou_sums_within_a_class_or_averages_samples():
    tallies = list(tallied(SAMPLES).values())
    by_class, by_sample = [], []
    for threshold in THRESHOLDS:
        stats = [(slow_stats(p, m, threshold), concept) for p, m, concept in SAMPLES]
        summed = [sum(s for s, c in stats if c == concept) for concept in "ab"]
        by_class.append(np.mean([slow_iou(each) for each in summed]))
        by_sample.append(np.mean([slow_iou(each) for each, _ in stats]))
    np.testing.assert_allclose(MEAN_IOUS["class"](tallies), by_class, atol=1e-9, rtol=0)
    np.testing.assert_allclose(MEAN_IOUS["sample"](tallies), by_sample, atol=1e-9, rtol=0)


@pytest.mark.parametrize("threshold", FIXED_THRESHOLDS)
def test_a_pixel_at_the_threshold_itself_is_not_found(threshold):
    at_it = np.full((2, 3), threshold, np.float32)
    above = np.nextafter(at_it, np.float32(1))
    truth = np.ones((2, 3), bool)
    assert at(count(at_it, truth).tp, threshold) == 0
    assert at(count(above, truth).tp, threshold) == 6


def test_one_is_added_to_every_denominator():
    counts = count(np.ones((1, 3), np.float32), np.ones((1, 3), bool))
    assert counts.iou_fg[0] == counts.precision[0] == counts.recall[0] == 3 / 4
    assert counts.iou_bin[0] == 3 / 8


def test_pixels_that_are_not_known_do_not_count():
    probability, mask, _ = SAMPLES[0]
    known = RNG.random(mask.shape) < 0.5
    partly = count(probability, mask, known)
    for threshold, values in zip(
        THRESHOLDS, zip(partly.tp, partly.fp, partly.fn, partly.tn, strict=True), strict=True
    ):
        expected = slow_stats(probability[known], mask[known], threshold)
        np.testing.assert_array_equal(values, expected)


def test_points_of_equal_recall_are_no_error():
    probability = np.array([[0.9, 0.9, 0.5, 0.3, 0.2]], np.float32)
    mask = np.array([[True, True, False, False, True]])
    points = [(2 / 4, 2 / 5), (2 / 4, 2 / 4), (2 / 4, 2 / 3), (3 / 4, 3 / 6)]
    recall, precision = zip(*points, strict=True)
    expected = simpson(precision, x=recall)
    assert count(probability, mask).average_precision == pytest.approx(expected, abs=1e-9)


def quantised_precision(probability, mask):
    """Average precision by its definition, of probabilities brought to the 50 steps."""
    level = np.searchsorted(THRESHOLDS.astype(np.float32), probability.ravel(), side="left")
    truth, result, last = mask.ravel(), 0.0, 0.0
    for each in sorted(set(level), reverse=True):
        found = level >= each
        recall, precision = truth[found].sum() / truth.sum(), truth[found].mean()
        result, last = result + (recall - last) * precision, recall
    return result


@pytest.mark.parametrize(("probability", "mask"), [(p, m) for p, m, _ in SAMPLES if m.any()])
def test_full_average_precision_is_the_ordinary_one(probability, mask):
    expected = quantised_precision(probability, mask)
    assert count(probability, mask).full_average_precision == pytest.approx(expected, abs=1e-9)


def test_full_average_precision_of_hard_answers_is_what_it_has_to_be():
    mask = np.arange(100).reshape(10, 10) < 30
    right, wrong = mask.astype(np.float32), (~mask).astype(np.float32)
    assert count(right, mask).average_precision == 0
    assert count(right, mask).full_average_precision == 1
    assert count(wrong, mask).full_average_precision == pytest.approx(0.3)
    assert count(0 * right, mask).full_average_precision == pytest.approx(0.3)
    assert np.isnan(count(right, np.zeros_like(mask)).full_average_precision)


def test_nothing_found_gives_zero_average_precision():
    assert count(np.zeros((4, 4), np.float32), np.eye(4, dtype=bool)).average_precision == 0


def test_best_names_the_threshold_of_the_highest_value():
    curve = np.zeros(49)
    curve[14] = 0.7
    assert Best.of(curve) == Best(0.7, 0.3)
    assert at(curve, 0.3) == 0.7


def test_another_threshold_than_the_49_is_refused():
    with pytest.raises(SettingError, match=r"not at 0\.25"):
        at(np.zeros(49), 0.25)
