"""Generated pictures: what a phrase says is what its mask shows."""

import numpy as np
import pytest
from scipy import ndimage

from napari_clipseg.train.dataset import UNLABELLED
from napari_clipseg.train.generated.appearance import COLOURS, NOUNS, TEXTURES, Look, objects
from napari_clipseg.train.generated.canvas import SIDE
from napari_clipseg.train.generated.generators import GENERATORS
from napari_clipseg.train.generated.mosaic import mosaic


def made(name, count=12):
    return [GENERATORS[name](np.random.default_rng([5, index])) for index in range(count)]


@pytest.mark.parametrize("name", list(GENERATORS))
def test_every_generator_makes_whole_scenes(name):
    for scene in made(name, 6):
        assert scene.image.shape == (SIDE, SIDE, 3) and scene.image.dtype == np.uint8
        assert scene.bits.shape == (SIDE, SIDE) and scene.bits.dtype == np.uint8
        assert not (scene.bits & UNLABELLED).any()
        assert scene.concepts and all(concept.phrases for concept in scene.concepts)
        assert scene.image.std() > 1


@pytest.mark.parametrize("name", list(GENERATORS))
def test_every_generator_is_a_function_of_its_generator(name):
    first, second = (GENERATORS[name](np.random.default_rng(8)) for _ in range(2))
    assert (first.image == second.image).all() and (first.bits == second.bits).all()
    assert first.concepts == second.concepts


def mean_colour(scene, concept):
    return scene.image[scene.mask(concept)].mean(0) / 255


@pytest.mark.parametrize("colour", ["red", "green", "blue", "yellow"])
def test_a_colour_word_shows_pixels_of_that_colour(colour):
    found = [
        mean_colour(scene, concept)
        for scene in made("objects", 120)
        for concept in scene.concepts
        if colour in concept.name.split() and scene.mask(concept).sum() > 200
    ]
    assert found
    apart = np.linalg.norm(np.mean(found, 0) - np.array(COLOURS[colour]))
    others = [np.linalg.norm(np.mean(found, 0) - np.array(value)) for value in COLOURS.values()]
    assert apart == min(others)


def test_bright_things_are_brighter_than_dark_things():
    values = {"bright": [], "dark": []}
    for scene in made("objects", 120):
        for concept in scene.concepts:
            for word in values:
                if concept.name.startswith(f"{word} ") and scene.mask(concept).any():
                    values[word].append(scene.image[scene.mask(concept)].mean())
    assert min(values["bright"]) > max(values["dark"])


def test_a_phrase_is_true_only_if_all_its_words_are():
    kind = Look("small", "red", "disc")
    assert Look("", "red", "spots").fits(kind)
    assert Look("small", "", "blobs").fits(kind)
    assert not Look("large", "red", "spots").fits(kind)
    assert not Look("", "blue", "spots").fits(kind)
    assert not Look("", "red", "squares").fits(kind)


def test_phrases_for_absent_things_are_among_the_concepts():
    shares = [concept.bits == 0 for scene in made("objects", 40) for concept in scene.concepts]
    assert 0.1 < np.mean(shares) < 0.6


def test_every_noun_is_true_of_something():
    shapes = {"disc", "ring", "square", "triangle", "ellipse", "blob", "line"}
    assert all(true and true <= shapes for true in NOUNS.values())


def test_texts_use_each_synonym_once():
    texts = Look("small", "bright", "spots").texts()
    assert texts[0] == "small bright spots"
    assert "tiny light spots" in texts
    assert len(set(texts)) == len(texts)


def test_regions_of_different_texture_do_not_overlap():
    for scene in made("textures", 4):
        covered = sum(scene.mask(concept).astype(int) for concept in scene.concepts)
        assert (covered == 1).all()
        assert len(scene.concepts) == len(TEXTURES)


def test_fluorescent_nuclei_are_brighter_than_their_background():
    for scene in made("fluorescence", 20):
        named = {concept.name: scene.mask(concept) for concept in scene.concepts}
        if named["nucleus"].any():
            grey = scene.image.max(-1)
            assert grey[named["nucleus"]].mean() > grey[named["background"]].mean() + 10


def test_stained_nuclei_are_darker_and_bluer_than_the_tissue():
    for scene in made("stained_tissue"):
        nuclei, tissue = (scene.image[scene.bits == bit].mean(0) for bit in (1, 1 << 6))
        assert nuclei.sum() < tissue.sum()
        assert nuclei[0] / nuclei[2] < tissue[0] / tissue[2]


def test_living_cells_have_borders_that_are_seen():
    for scene in made("phase_contrast"):
        steps = np.hypot(*np.gradient(ndimage.gaussian_filter(scene.image[..., 0] / 255.0, 1)))
        inside = scene.bits == 1
        border = ndimage.binary_dilation(inside, iterations=2) & ~inside
        far = ~ndimage.binary_dilation(inside, iterations=8)
        assert inside.any() and steps[border].mean() > 1.2 * steps[far].mean()


@pytest.mark.parametrize("name", ["membranes", "neuropil"])
def test_membranes_separate_the_cells(name):
    for scene in made(name, 4):
        wall, inside = (scene.mask(concept) for concept in scene.concepts[:2])
        assert (wall ^ inside).all()
        assert ndimage.label(inside)[1] > 3


def test_electron_micrographs_show_dark_membranes_and_dark_mitochondria_inside_the_cells():
    darker = []
    for scene in made("neuropil"):
        named = {concept.name: scene.mask(concept) for concept in scene.concepts}
        grey, inside = scene.image[..., 0], named["cell-interior"]
        assert grey[named["cell-membrane"]].mean() < grey[inside].mean() - 10
        body = named["mitochondrion"]
        assert inside[body].all()
        if body.any():
            darker.append(grey[body].mean() < grey[inside & ~body].mean())
    assert len(darker) > 3 and np.mean(darker) > 0.7


@pytest.mark.parametrize("name", ["retina", "fundus"])
def test_vessels_of_the_eye_are_thin_and_darker_than_what_is_beside_them(name):
    for scene in made(name):
        vessels = scene.bits == 1
        beside = ndimage.binary_dilation(vessels, iterations=3) & ~vessels
        green = scene.image[..., 1].astype(float)
        assert 0 < vessels.mean() < 0.5
        assert green[vessels].mean() < green[beside & (scene.image.sum(-1) > 30)].mean()


def test_suburbs_have_grey_streets_that_trees_hang_over_and_no_house_on_a_street():
    for scene in made("suburb"):
        named = {concept.name: scene.mask(concept) for concept in scene.concepts}
        colour = scene.image[named["road"]].mean(0)
        assert np.ptp(colour) < 0.2 * colour.mean()
        assert named["building"].any()
        assert sum(mask.astype(int) for mask in named.values()).max() == 1


def test_a_mosaic_shows_each_tile_where_its_mask_is():
    tiles = {
        "moss": [np.full((30, 30, 3), (20, 160, 30), np.uint8)],
        "brick": [np.full((40, 20, 3), (190, 70, 50), np.uint8)],
    }
    phrases = {"moss": ("moss",), "brick": ("bricks",)}
    for index in range(10):
        scene = mosaic(np.random.default_rng(index), tiles, phrases)
        for concept in scene.concepts:
            shown = scene.image[scene.mask(concept)]
            if len(shown) > 500:
                middle = np.median(shown, axis=0)
                apart = {name: np.abs(middle - tiles[name][0][0, 0]).sum() for name in tiles}
                assert min(apart, key=apart.__getitem__) == concept.name


def test_mosaics_hold_no_more_materials_than_there_are():
    tiles = {"moss": [np.zeros((8, 8, 3), np.uint8)]}
    scene = mosaic(np.random.default_rng(0), tiles, {"moss": ("moss",)})
    assert len(scene.concepts) == 1
    assert scene.mask(scene.concepts[0]).any()


def test_objects_differ_from_seed_to_seed():
    first, second = (objects(np.random.default_rng(seed)) for seed in (1, 2))
    assert (first.image != second.image).any()
