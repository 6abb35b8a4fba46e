import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from dynseg.errors import UserError
from dynseg.methods import Context
from dynseg.methods.external import ExternalParameters, segment

IMAGE = np.zeros((4, 6, 3), dtype=np.uint8)
LABELS = np.repeat([[0, 0, 3, 3, 7, 7]], 4, axis=0).astype(np.uint8)


def find(folder, image_id="bird", **parameters):
    return segment(IMAGE, Context(image_id), ExternalParameters(predictions=str(folder), **parameters))


def write_png(path):
    Image.fromarray(LABELS).save(path)


def write_npy(path):
    np.save(path, LABELS)


def write_mat(path):
    savemat(path, {"Segmentation": LABELS})


@pytest.mark.parametrize(("suffix", "write"), [(".png", write_png), (".npy", write_npy), (".mat", write_mat)])
def test_a_file_named_by_the_image_is_its_label_map(tmp_path, suffix, write):
    write(tmp_path / f"bird{suffix}")
    result = find(tmp_path)
    np.testing.assert_array_equal(result.labels, LABELS)
    assert result.facts["source"].endswith(f"bird{suffix}")


def test_one_file_may_hold_all_images(tmp_path):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["bird"] = LABELS
        file["boat"] = LABELS[::-1] + 1
    np.testing.assert_array_equal(find(tmp_path / "all.h5", "boat").labels, LABELS[::-1] + 1)


def test_a_contour_map_is_cut_at_its_threshold(tmp_path):
    contours = np.zeros((9, 13))
    contours[:, 4], contours[:, 8] = 0.1, 0.6
    savemat(tmp_path / "bird.mat", {"ucm2": contours})

    def count(threshold):
        return np.unique(find(tmp_path, ucm_threshold=threshold).labels).size

    assert [count(0.05), count(0.3), count(0.6)] == [3, 2, 1]
    with pytest.raises(UserError, match=r"bird\.mat"):
        find(tmp_path)


def test_a_missing_image_is_named(tmp_path):
    write_png(tmp_path / "bird.png")
    with pytest.raises(UserError, match="boat"):
        find(tmp_path, "boat")


def test_a_name_that_matches_two_files_is_refused(tmp_path):
    write_png(tmp_path / "bird.png")
    write_npy(tmp_path / "bird.npy")
    with pytest.raises(UserError, match=r"bird\.(png|npy)"):
        find(tmp_path)


@pytest.mark.parametrize("labels", [LABELS[1:], LABELS - 0.5, LABELS.astype(int) - 1])
def test_labels_of_another_size_negative_or_fractional_are_refused(tmp_path, labels):
    np.save(tmp_path / "bird.npy", labels)
    with pytest.raises(UserError, match=r"bird\.npy"):
        find(tmp_path)


def test_the_folder_must_be_named_and_be_there(tmp_path):
    with pytest.raises(UserError, match="predictions"):
        ExternalParameters(predictions="")
    with pytest.raises(UserError, match="nowhere"):
        find(tmp_path / "nowhere")


def test_a_contour_map_brings_its_hierarchy(tmp_path):
    contours = np.zeros((9, 13))
    contours[:, 4], contours[:, 8] = 0.1, 0.6
    savemat(tmp_path / "bird.mat", {"ucm2": contours})
    hierarchy = find(tmp_path, ucm_threshold=0.3).hierarchy
    assert [np.unique(hierarchy.cut_at(threshold)).size for threshold in (0.05, 0.1, 0.6)] == [3, 2, 1]
    # A pixel that is a contour itself belongs to no region: then there are label maps.
    contours[1, 1] = 0.5
    savemat(tmp_path / "bird.mat", {"ucm2": contours})
    result = find(tmp_path, ucm_threshold=0.3)
    assert result.hierarchy is None
    assert result.series.label_maps.shape == (99, 4, 6)


def test_a_label_map_has_no_scales(tmp_path):
    write_png(tmp_path / "bird.png")
    result = find(tmp_path)
    assert result.hierarchy is None
    assert result.series is None
