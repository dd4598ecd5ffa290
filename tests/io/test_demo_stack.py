import numpy as np
from scipy.ndimage import label

from napari_clipseg.io.demo_stack import SHAPE, VOXEL_UM, demo_stack, demo_stack_truth


def test_the_stack_is_the_same_at_each_call():
    stack = demo_stack()
    assert (stack.shape, stack.dtype) == (SHAPE, np.uint16)
    np.testing.assert_array_equal(stack, demo_stack())


def test_the_truth_numbers_each_nucleus_once_and_each_is_in_one_place():
    truth = demo_stack_truth()
    assert (truth.shape, truth.dtype) == (SHAPE, np.int32)
    count = truth.max()
    assert count > 50
    np.testing.assert_array_equal(np.unique(truth), np.arange(count + 1))
    for number in range(1, count + 1):
        parts, _ = label(truth == number, np.ones((3, 3, 3)))
        sizes = np.bincount(parts[parts > 0])
        assert sizes.max() > 0.95 * sizes.sum(), number


def test_nuclei_are_brighter_than_what_is_between_them():
    stack, truth = demo_stack(), demo_stack_truth()
    assert np.median(stack[truth > 0]) > 3 * np.median(stack[truth == 0])


def test_nuclei_come_and_go_along_z():
    truth = demo_stack_truth()
    depths = [np.ptp(np.flatnonzero((truth == n).any((1, 2)))) + 1 for n in range(1, 21)]
    assert max(depths) * VOXEL_UM[0] <= 20
    assert not np.intersect1d(truth[0], truth[-1])[1:].size
