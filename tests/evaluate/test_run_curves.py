import numpy as np
import pytest

from napari_clipseg.evaluate.run_curves import run_curves


def write(file, head, rows):
    file.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows), ""]))


def test_a_run_is_drawn_with_and_without_validation(tmp_path):
    rows = [[step, 1 / step, 0.1, 0.05, 1e-3, 0.2] for step in range(1, 300)]
    write(tmp_path / "log.csv", "step,mask,align,contrast,rate,seconds", rows)
    alone = run_curves(tmp_path)
    write(
        tmp_path / "validation.csv", "step,iou,absent,a b", [[100, 0.2, 0.1, ""], [200, 0.5, 0, 1]]
    )
    both = run_curves(tmp_path)
    assert both.shape[1] == 2 * alone.shape[1]
    assert both.dtype == np.uint8
    assert len(np.unique(both[:, alone.shape[1] :].reshape(-1, 3), axis=0)) > 3


def test_a_run_of_one_step_is_drawn(tmp_path):
    write(tmp_path / "log.csv", "step,mask,align,contrast,rate,seconds", [[1, 0, 0, 0, 1e-3, 0.2]])
    assert run_curves(tmp_path).ndim == 3


def test_a_single_validation_is_drawn_as_a_dot(tmp_path):
    write(tmp_path / "log.csv", "step,mask,align,contrast", [[1, 0.4, 0, 0], [2, 0.3, 0, 0]])
    write(tmp_path / "validation.csv", "step,iou,absent", [[2, 0.5, "nan"]])
    picture = run_curves(tmp_path)
    right = picture[80:, picture.shape[1] // 2 :]
    assert 20 < (right == [0x1F, 0x5F, 0xA8]).all(2).sum() < 60
    assert not (right == [0xC2, 0x41, 0x0C]).all(2).any()


def test_losses_that_are_not_finite_leave_a_gap(tmp_path):
    rows = [[step, "nan" if step > 5 else 0.4, 0.1, 0] for step in range(1, 10)]
    write(tmp_path / "log.csv", "step,mask,align,contrast", rows)
    blue = (run_curves(tmp_path)[100:] == [0x1F, 0x5F, 0xA8]).all(2)
    assert blue.any()
    assert np.flatnonzero(blue.any(0)).max() < 52 + 420 * 0.6


@pytest.mark.parametrize("content", [None, "", "step,mask,align,contrast\n"])
def test_a_run_whose_log_was_lost_is_drawn_without_losses(tmp_path, content):
    if content is not None:
        (tmp_path / "log.csv").write_text(content)
    alone = run_curves(tmp_path)
    write(tmp_path / "validation.csv", "step,iou,absent", [[4, 0.5, 0], [8, 0.6, 0]])
    assert run_curves(tmp_path).shape[1] == 2 * alone.shape[1]
