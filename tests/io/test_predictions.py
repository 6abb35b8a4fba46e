from dataclasses import replace

import h5py
import numpy as np
import pytest
from ground_truth_files import write_ground_truth
from PIL import Image
from scipy.io import savemat

from dynseg.errors import UserError
from dynseg.io.contour_maps import CONTOUR_THRESHOLDS, cut_at_thresholds, cut_contour_map
from dynseg.io.label_maps import write_label_maps
from dynseg.io.predictions import (
    Prediction,
    find_prediction,
    pair_up,
    read_prediction,
    read_prediction_scales,
)
from dynseg.result import Segmentation

LABELS = np.array([[0, 1, 2], [0, 300, 2]])
SIZE = (2, 3)


def save_png(path, labels):
    Image.fromarray(labels.astype(np.uint16)).save(path)


def save_palette_png(path, labels):
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([7 * value % 256 for value in range(768)])
    image.save(path)


def save_bsd_mat(path, *annotations):
    cell = np.empty((1, len(annotations)), dtype=object)
    for number, labels in enumerate(annotations):
        cell[0, number] = {"Segmentation": labels.astype(np.uint16)}
    savemat(path, {"groundTruth": cell})


def save_hdf5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, labels in datasets.items():
            file[name] = labels


def save_contour_map(path, contour_map):
    savemat(path, {"ucm2": contour_map})


WRITERS = {
    "16-bit.png": save_png,
    "double.mat": lambda path, labels: savemat(path, {"Segmentation": labels.astype(float)}),
    "integer.mat": lambda path, labels: savemat(path, {"Segmentation": labels.astype(np.uint16)}),
    "bsd.mat": save_bsd_mat,
    "array.npy": lambda path, labels: np.save(path, labels),
    "single.h5": lambda path, labels: save_hdf5(path, labels=labels),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_its_labels_back(tmp_path, name):
    WRITERS[name](tmp_path / name, LABELS)
    prediction = find_prediction(tmp_path, name.rpartition(".")[0])
    np.testing.assert_array_equal(read_prediction(prediction, SIZE), LABELS)


def test_palette_images_give_indices(tmp_path):
    labels = np.minimum(LABELS, 200)
    save_palette_png(tmp_path / "a.png", labels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
    np.testing.assert_array_equal(read_prediction(Prediction(tmp_path / "a.png"), SIZE), labels)


def test_an_hdf5_file_may_hold_many_images(tmp_path):
    save_hdf5(tmp_path / "all.h5", one=LABELS, two=LABELS + 1)
    np.testing.assert_array_equal(read_prediction(find_prediction(tmp_path / "all.h5", "two"), SIZE), LABELS + 1)
    np.testing.assert_array_equal(read_prediction(find_prediction(tmp_path, "one"), SIZE), LABELS)


def test_our_own_label_map_files_are_read(tmp_path):
    write_label_maps(tmp_path / "0.h5", [("one", Segmentation(LABELS))], {})
    write_label_maps(tmp_path / "1.h5", [("two", Segmentation(LABELS + 1))], {})
    np.testing.assert_array_equal(read_prediction(find_prediction(tmp_path, "two"), SIZE), LABELS + 1)


def test_a_folder_is_searched_by_ids_made_from_paths(tmp_path):
    (tmp_path / "cows").mkdir()
    np.save(tmp_path / "cows" / "a cow.npy", LABELS)
    assert find_prediction(tmp_path, "cows_a%20cow").file == tmp_path / "cows" / "a cow.npy"


def test_the_same_name_in_two_folders_is_two_images(tmp_path):
    for folder in ("cows", "sheep", "."):
        (tmp_path / folder).mkdir(exist_ok=True)
        np.save(tmp_path / folder / "one.npy", LABELS)
    assert find_prediction(tmp_path, "cows_one").file == tmp_path / "cows" / "one.npy"
    assert find_prediction(tmp_path, "one").file == tmp_path / "one.npy"


def test_a_file_may_be_named_by_the_id_itself(tmp_path):
    np.save(tmp_path / "cows_a%20cow.npy", LABELS)
    assert find_prediction(tmp_path, "cows_a%20cow").file == tmp_path / "cows_a%20cow.npy"


def refused(tmp_path, image_id="a", size=SIZE, threshold=None):
    with pytest.raises(UserError) as caught:
        read_prediction(find_prediction(tmp_path, image_id), size, threshold)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "\n" not in message
    return message


def test_another_size_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", LABELS.T)
    assert "3 × 2 pixels (height × width), but its image 2 × 3" in refused(tmp_path)


def test_negative_labels_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", LABELS - 1)
    assert "a.npy" in refused(tmp_path)
    assert "negative label -1" in refused(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".mat", ".h5"])
def test_fractional_labels_are_refused(tmp_path, suffix):
    {
        ".npy": lambda labels: np.save(tmp_path / "a.npy", labels),
        ".mat": lambda labels: savemat(tmp_path / "a.mat", {"Segmentation": labels}),
        ".h5": lambda labels: save_hdf5(tmp_path / "a.h5", labels=labels),
    }[suffix](LABELS / 2)
    message = refused(tmp_path)
    assert f"a{suffix}" in message
    assert "whole-number labels, not float64" in message


def test_a_missing_image_is_named(tmp_path):
    np.save(tmp_path / "b.npy", LABELS)
    assert "no label map of image a" in refused(tmp_path)


def test_two_files_of_one_image_are_named(tmp_path):
    np.save(tmp_path / "a.npy", LABELS)
    save_png(tmp_path / "a.png", LABELS)
    message = refused(tmp_path)
    assert "a.npy" in message
    assert "a.png" in message


def test_two_images_of_one_name_are_named(tmp_path):
    (tmp_path / "cows").mkdir()
    np.save(tmp_path / "cows" / "one.npy", LABELS)
    np.save(tmp_path / "cows_one.npy", LABELS)
    message = refused(tmp_path, "cows_one")
    assert str(tmp_path / "cows" / "one.npy") in message
    assert str(tmp_path / "cows_one.npy") in message


@pytest.mark.parametrize("suffix", [".png", ".mat", ".npy", ".h5"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 40])
def test_broken_files_are_named(tmp_path, suffix, content):
    (tmp_path / f"a{suffix}").write_bytes(content)
    assert f"a{suffix}" in refused(tmp_path)


def test_a_truncated_array_is_named(tmp_path):
    np.save(tmp_path / "a.npy", LABELS)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-8])
    assert "a.npy" in refused(tmp_path)


def test_a_broken_header_of_an_array_is_named(tmp_path):
    np.save(tmp_path / "a.npy", LABELS)
    content = (tmp_path / "a.npy").read_bytes()
    for broken in (content.replace(b"}", b" "), content.replace(b"(2, 3)", b"(9" + b"9" * 9 + b",")):
        (tmp_path / "a.npy").write_bytes(broken)
        assert "a.npy" in refused(tmp_path)


@pytest.mark.parametrize("shape", [(), (2, *SIZE)])
def test_other_than_two_dimensions_are_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype=int))
    assert f"{len(shape)} dimensions" in refused(tmp_path)


def test_several_arrays_in_one_file_are_refused(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, one=LABELS, two=LABELS)
    assert "a.npy" in refused(tmp_path)


def test_a_broken_link_is_no_label_map(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["labels"] = h5py.SoftLink("/nowhere")
    assert "no label map of image a" in refused(tmp_path)


def test_text_in_an_hdf5_file_is_no_label_map(tmp_path):
    save_hdf5(tmp_path / "a.h5", labels="text")
    assert "hold such numbers" in refused(tmp_path)


def test_colours_are_labels_unless_it_is_a_photograph(tmp_path):
    Image.fromarray(np.array([[[9, 0, 0], [0, 9, 0]]], dtype=np.uint8)).save(tmp_path / "a.png")
    assert np.unique(read_prediction(find_prediction(tmp_path, "a"), (1, 2))).size == 2
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    assert "not a photograph" in refused(tmp_path)


def test_pickled_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    assert "a.npy" in refused(tmp_path)


def test_several_annotators_are_no_prediction(tmp_path):
    save_bsd_mat(tmp_path / "a.mat", LABELS, LABELS)
    assert "2 label maps" in refused(tmp_path)


def test_a_folder_without_label_maps_is_named(tmp_path):
    (tmp_path / "readme.txt").write_text("")
    assert "has no file that ends in" in refused(tmp_path)


def contour_map():
    """Left and right half with a contour of .5 between, the right half cut by one of .25."""
    strength = np.zeros((5, 7))
    strength[:, 2] = 0.5
    strength[2, 3:7] = 0.25
    return strength


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("threshold", "regions"),
    [(0.1, [[0, 1, 1], [0, 2, 2]]), (0.25, [[0, 1, 1], [0, 1, 1]]), (0.5, [[0, 0, 0], [0, 0, 0]])],
)
def test_a_contour_map_is_cut_where_contours_are_stronger_than_the_threshold(tmp_path, threshold, regions, dtype):
    save_contour_map(tmp_path / "a.mat", contour_map().astype(dtype))
    found = read_prediction(find_prediction(tmp_path, "a"), SIZE, threshold)
    np.testing.assert_array_equal(np.unique(found, return_inverse=True)[1], regions)


def test_regions_are_those_of_scikit_image():
    from skimage.measure import label

    strength = np.random.default_rng(0).random((21, 31))
    for threshold in (0.3, 0.5, 0.7):
        expected = label(strength <= threshold, connectivity=2)[1::2, 1::2]
        regions = cut_contour_map(strength, threshold)
        pairs = np.unique(np.stack([regions, expected], axis=-1).reshape(-1, 2), axis=0)
        assert len(pairs) == np.unique(regions).size == np.unique(expected).size


def test_every_threshold_has_its_regions():
    maps = list(cut_at_thresholds(contour_map(), CONTOUR_THRESHOLDS))
    assert len(maps) == 99
    for labels, threshold in zip(maps, CONTOUR_THRESHOLDS, strict=True):
        np.testing.assert_array_equal(labels, cut_contour_map(contour_map(), threshold))
    assert maps[0] is maps[23]
    assert maps[23] is not maps[24]


def test_a_contour_map_needs_a_threshold_and_a_label_map_none(tmp_path):
    save_contour_map(tmp_path / "a.mat", contour_map())
    assert "give the threshold" in refused(tmp_path)
    np.save(tmp_path / "b.npy", LABELS)
    assert "no contour map" in refused(tmp_path, "b", threshold=0.5)


def test_a_contour_map_of_single_size_is_refused(tmp_path):
    save_contour_map(tmp_path / "a.mat", np.zeros(SIZE))
    assert "5 × 7" in refused(tmp_path, threshold=0.5)


def segments_of(pairs):
    return {pair.image_id: pair.read_segments() for pair in pairs}


def test_a_ground_truth_file_pairs_by_id(tmp_path):
    write_ground_truth(tmp_path / "ground_truth.h5", [("a", LABELS[None] + 1), ("b", LABELS[None] + 1)], {})
    save_hdf5(tmp_path / "all.h5", a=LABELS, b=LABELS, c=LABELS)
    pairs = pair_up(tmp_path / "all.h5", tmp_path / "ground_truth.h5")
    assert [(pair.image_id, pair.prediction.name) for pair in pairs] == [("a", "a"), ("b", "b")]


def test_annotators_are_numbered_files_or_cells(tmp_path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "labels").mkdir()
    save_png(tmp_path / "truth" / "a.2.png", LABELS)
    save_png(tmp_path / "truth" / "a.10.png", LABELS * 0)
    save_bsd_mat(tmp_path / "truth" / "b.mat", LABELS + 1, LABELS * 0 + 1, LABELS + 1)
    for name in "ab":
        np.save(tmp_path / "labels" / f"{name}.npy", LABELS)
    segments = segments_of(pair_up(tmp_path / "labels", tmp_path / "truth"))
    # Segments are numbered from 1, also where the file has a label 0.
    np.testing.assert_array_equal(segments["a"], [[[1, 2, 3], [1, 4, 3]], [[1, 1, 1], [1, 1, 1]]])
    assert segments["b"].shape == (3, 2, 3)


def test_a_name_that_ends_in_a_number_is_an_image_if_it_is_predicted(tmp_path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "labels").mkdir()
    for folder in ("truth", "labels"):
        save_png(tmp_path / folder / "v1.2.png", LABELS)
    assert [pair.image_id for pair in pair_up(tmp_path / "labels", tmp_path / "truth")] == ["v1.2"]


def test_two_single_files_are_a_pair_whatever_their_names(tmp_path):
    np.save(tmp_path / "mine.npy", LABELS)
    save_bsd_mat(tmp_path / "100007.mat", LABELS + 1)
    (pair,) = pair_up(tmp_path / "mine.npy", tmp_path / "100007.mat")
    assert pair.image_id == "100007"


def test_a_single_image_in_an_hdf5_file_is_a_pair_too(tmp_path):
    write_label_maps(tmp_path / "mine.h5", [("mine", Segmentation(LABELS))], {})
    np.save(tmp_path / "truth.npy", LABELS)
    (pair,) = pair_up(tmp_path / "mine.h5", tmp_path / "truth.npy")
    np.testing.assert_array_equal(read_prediction(pair.prediction, SIZE), LABELS)


def test_a_single_prediction_finds_its_annotation(tmp_path):
    write_ground_truth(tmp_path / "ground_truth.h5", [("a", LABELS[None] + 1), ("b", LABELS[None] + 1)], {})
    np.save(tmp_path / "b.npy", LABELS)
    (pair,) = pair_up(tmp_path / "b.npy", tmp_path / "ground_truth.h5")
    assert pair.image_id == "b"
    np.save(tmp_path / "c.npy", LABELS)
    with pytest.raises(UserError, match=r"no annotation of the image that .*c\.npy is named by"):
        pair_up(tmp_path / "c.npy", tmp_path / "ground_truth.h5")


def test_two_annotations_of_one_name_are_named(tmp_path):
    (tmp_path / "truth").mkdir()
    save_png(tmp_path / "truth" / "a.png", LABELS)
    save_bsd_mat(tmp_path / "truth" / "a.mat", LABELS)
    np.save(tmp_path / "a.npy", LABELS)
    with pytest.raises(UserError, match=r"a\.mat and .*a\.png both annotate image a"):
        pair_up(tmp_path / "a.npy", tmp_path / "truth")


def test_pictures_without_annotations_are_refused(tmp_path):
    write_ground_truth(tmp_path / "ground_truth.h5", [], {})
    np.save(tmp_path / "a.npy", LABELS)
    with pytest.raises(UserError, match="has no annotations"):
        pair_up(tmp_path / "a.npy", tmp_path / "ground_truth.h5")


@pytest.mark.parametrize("missing", ["prediction", "ground_truth"])
def test_a_path_that_is_not_there_is_named(tmp_path, missing):
    paths = {name: tmp_path / f"{name}.npy" for name in ("prediction", "ground_truth")}
    for name, path in paths.items():
        if name != missing:
            np.save(path, LABELS)
    with pytest.raises(UserError, match=rf"{missing}\.npy doesn't exist"):
        pair_up(**paths)


def test_scales_are_found_in_every_format(tmp_path):
    save_contour_map(tmp_path / "ucm.mat", contour_map())
    hierarchy = read_prediction_scales(find_prediction(tmp_path, "ucm"), SIZE)
    assert [np.unique(hierarchy.cut_at(threshold)).size for threshold in (0, 0.25, 0.5)] == [3, 2, 1]
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0], cells[0, 1] = np.array([[1.0, 2, 2], [1, 3, 3]]), np.ones(SIZE)
    savemat(tmp_path / "segs.mat", {"segs": cells})
    segs = read_prediction_scales(find_prediction(tmp_path, "segs"), SIZE)
    assert segs.scales.tolist() == [1, 2]
    assert segs.label_maps.tolist() == [[[1, 2, 2], [1, 3, 3]], [[1, 1, 1], [1, 1, 1]]]
    both = Segmentation(hierarchy.leaves, hierarchy=hierarchy, series=segs)
    write_label_maps(tmp_path / "all.h5", [("tree", replace(both, series=None)), ("both", both)], {})
    tree = read_prediction_scales(find_prediction(tmp_path, "tree"), SIZE)
    np.testing.assert_array_equal(tree.altitudes, hierarchy.altitudes)
    assert read_prediction_scales(find_prediction(tmp_path, "both"), SIZE).scales.tolist() == [1, 2]
    np.save(tmp_path / "plain.npy", LABELS)
    assert read_prediction_scales(find_prediction(tmp_path, "plain"), SIZE) is None
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["flat"], file["round"] = LABELS, LABELS
    assert read_prediction_scales(find_prediction(tmp_path, "flat"), SIZE) is None
    for name in ("segs", "tree", "both"):
        with pytest.raises(UserError, match="3 × 3"):
            read_prediction_scales(find_prediction(tmp_path, name), (3, 3))
