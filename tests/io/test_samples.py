import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManifest

from napari_clipseg.io import samples

MANIFEST = PluginManifest.from_distribution("napari-clipseg")
COMMANDS = {each.id: each.python_name for each in MANIFEST.contributions.commands}


@pytest.mark.parametrize("sample", MANIFEST.contributions.sample_data, ids=lambda each: each.key)
def test_every_sample_of_the_menu_opens_as_image_layers(sample):
    module, _, name = COMMANDS[sample.command].partition(":")
    assert module == samples.__name__
    for data, attributes, kind in getattr(samples, name)():
        assert kind == "image"
        layer = ViewerModel().add_image(data, **attributes)
        assert layer.contrast_limits[0] < layer.contrast_limits[1]


def test_the_stack_knows_its_size():
    ((data, attributes, _),) = samples.nuclei_stack()
    layer = ViewerModel().add_image(data, **attributes)
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    np.testing.assert_array_equal(layer.scale, (2, 0.5, 0.5))
    assert layer.axis_labels == ("z", "y", "x")
