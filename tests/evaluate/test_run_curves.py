import numpy as np

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
