import dataclasses
import json

from napari_clipseg.train.record import chosen, fingerprint


def test_only_what_differs_from_the_defaults_is_told(tiny_run):
    told = chosen(tiny_run)
    assert told["seed"] == 3
    assert told["optim"] == {"steps": 8, "warmup": 2}
    assert "precision" not in told
    assert json.loads(json.dumps(told)) == told


def test_settings_fix_a_run_and_the_device_does_not(tiny_run):
    assert fingerprint(tiny_run) == fingerprint(dataclasses.replace(tiny_run, device="cuda"))
    optim = dataclasses.replace(tiny_run.optim, rate=0.5)
    changes = ({"seed": 4}, {"precision": "bfloat16"}, {"optim": optim}, {"accumulate": 2})
    others = {fingerprint(dataclasses.replace(tiny_run, **each)) for each in changes}
    assert len(others | {fingerprint(tiny_run)}) == 5


def test_the_order_of_sources_fixes_a_run(tiny_run):
    turned = dataclasses.replace(
        tiny_run.data, synthetic=dict(reversed(tiny_run.data.synthetic.items()))
    )
    assert fingerprint(tiny_run) != fingerprint(dataclasses.replace(tiny_run, data=turned))
