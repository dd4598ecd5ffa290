from __future__ import annotations

import colorsys

import numpy as np
import pytest
from napari.layers import Image
from napari.utils.colormaps import CyclicLabelColormap

from napari_clipseg.layers.geometry import Plane
from napari_clipseg.layers.legend import (
    MOST_TINTED,
    Legend,
    PixelArea,
    legend_colormap,
    legend_table,
    pixel_area,
)

FLAT = Plane((None, None), (0, 1))


def legend_of(*which: int, values: list[int] | None = None, plane: str = "") -> Legend:
    count = len(which)
    return Legend(
        prompts=("nuclei", "debris"),
        colors=("#ff0000", "#0000ff"),
        values=np.arange(1, count + 1) if values is None else np.array(values, int),
        which=np.array(which, int),
        area_px=np.arange(count) + 10,
        count=np.ones(count, int),
        planes=np.full(count, plane, object),
    )


def test_the_area_of_a_pixel_is_that_in_the_world():
    layer = Image(np.zeros((4, 5)), scale=(2, 3), rotate=30, units=("um", "um"))
    area = pixel_area(layer, FLAT)
    assert (area.value, area.unit, area.known) == (pytest.approx(6), "µm", True)


def test_axes_in_different_units_are_converted():
    layer = Image(np.zeros((4, 5)), scale=(2, 3000), units=("um", "nm"))
    assert pixel_area(layer, FLAT).value == pytest.approx(6)


def test_shear_does_not_change_the_area_and_hidden_axes_do_not_count():
    layer = Image(np.zeros((3, 4, 5)), scale=(7, 2, 3), shear=[0, 0, 1], units=("um",) * 3)
    assert pixel_area(layer, Plane((0, None, None), (1, 2))).value == pytest.approx(6)


def test_an_image_without_units_has_no_area_in_the_world():
    area = pixel_area(Image(np.zeros((4, 5)), scale=(2, 2)), FLAT)
    assert not area.known
    assert "area_" not in "".join(set(legend_table(legend_of(0), area)) - {"area_px"})


def test_the_table_names_prompt_colour_areas_and_count_of_each_value():
    table = legend_table(legend_of(0, 1, plane="[1, :, :]"), PixelArea(0.5, "µm"))
    assert {name: list(column) for name, column in table.items()} == {
        "index": [1, 2],
        "prompt": ["nuclei", "debris"],
        "colour": ["#ff0000", "#0000ff"],
        "area_px": [10, 11],
        "area_µm²": [5.0, 5.5],
        "count": [1, 1],
        "plane": ["[1, :, :]"] * 2,
    }


def test_values_of_several_planes_add_up_and_are_sorted():
    merged = Legend.merged([legend_of(1, values=[2]), legend_of(0, 1, values=[1, 2])])
    assert merged.values.tolist() == [1, 2]
    assert merged.which.tolist() == [0, 1]
    assert merged.area_px.tolist() == [10, 21]
    assert merged.objects() == {"nuclei": 1, "debris": 2}


def test_nothing_found_is_a_legend_too():
    merged = Legend.merged([legend_of(), legend_of()])
    assert merged.objects() == {"nuclei": 0, "debris": 0}
    np.testing.assert_array_equal(legend_colormap(merged).map([0, 1]), np.zeros((2, 4)))


def test_one_value_for_each_prompt_gets_the_colour_of_the_prompt():
    colors = legend_colormap(legend_of(0, 1)).map([0, 1, 2])
    np.testing.assert_allclose(colors, [(0, 0, 0, 0), (1, 0, 0, 1), (0, 0, 1, 1)])


def test_objects_of_two_prompts_get_shades_of_their_colours():
    colors = legend_colormap(legend_of(0, 0, 0, 1, 1)).map([1, 2, 3, 4, 5])
    hues = [colorsys.rgb_to_hls(*color[:3])[0] for color in colors.astype(float)]
    np.testing.assert_allclose(hues, [0, 0, 0, 2 / 3, 2 / 3], atol=0.02)
    assert len({tuple(color) for color in colors}) == 5


@pytest.mark.parametrize("which", [(0, 0, 0), (0, 1) * MOST_TINTED])
def test_objects_of_one_prompt_and_very_many_objects_get_the_cycle_of_colours(which):
    assert isinstance(legend_colormap(legend_of(*which)), CyclicLabelColormap)


def test_legends_look_alike_only_with_the_same_values_and_colours():
    legend = legend_of(0, 1)
    assert legend.looks_like(legend_of(0, 1))
    for other in (None, legend_of(1, 0), legend_of(0), legend.with_color("debris", "#00ff00")):
        assert not legend.looks_like(other)
