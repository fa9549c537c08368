"""Predictions of volumes: equal to a validation's, files on the grid of the source, refusals."""

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import quiet_trainer
from helpers.tiny_volume_task import tiny_volumes
from helpers.tiny_volumes import MODALITIES, write_brats, write_nifti
from PIL import Image

from vision.data.datasets.brats import REGIONS, BraTS
from vision.errors import ConfigError, ImageError
from vision.metrics.file_pairs import FilePair
from vision.metrics.volumes.files import BRATS_REGIONS, evaluate_volumes
from vision.ops.nifti import read_header
from vision.ops.volume_regions import region_masks
from vision.predict.job import predict_folder
from vision.predict.model import Model
from vision.predict.options import PredictOptions
from vision.predict.video import predict_video
from vision.predict.volumes import VolumeResult

SHAPE = (9, 12, 10)


@pytest.fixture(scope="module")
def brats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_brats(tmp_path_factory.mktemp("brats"), subjects=4, shape=SHAPE)


class Validated:
    """A model that has validated a fold, and what it found.

    Attributes:
        logged: The metrics.
        found: Prediction of each subject, with probabilities.
    """

    def __init__(self, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Another orientation and spacing than those of the files, so that there is a way back.
        data = BraTS(
            root=root, fold=0, folds=2, num_workers=0, orientation="RAS", spacing=(1.2, 1, 1)
        )
        task = tiny_volumes(modalities=list(MODALITIES))
        self.found: dict[str, Any] = {}
        step = task.evaluate

        def keep(stage: str, outputs: Any, batch: Any) -> Any:
            self.found.update(
                zip(batch["subject"], task.run(batch, probabilities=True), strict=True)
            )
            return step(stage, outputs, batch)

        monkeypatch.setattr(task, "evaluate", keep)
        (self.logged,) = quiet_trainer(folder).validate(task, data, verbose=False)
        self.model = Model(task, task.describe())


@pytest.fixture(scope="module")
def validated(brats: Path, tmp_path_factory: pytest.TempPathFactory) -> Validated:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Validated(brats, tmp_path_factory.mktemp("run"), monkeypatch)


def test_predict_equals_validation_and_its_files_are_evaluated(
    validated: Validated, brats: Path, tmp_path: Path
) -> None:
    subjects = sorted(validated.found)
    assert len(subjects) == 2
    folders = [str(brats / subject) for subject in subjects]
    results = list(validated.model.predict(folders, probabilities=True))
    for subject, result in zip(subjects, results, strict=True):
        assert isinstance(result, VolumeResult)
        expected = validated.found[subject]
        assert (result.subject, result.size) == (subject, SHAPE)
        assert torch.equal(result.mask, expected["mask"])
        assert result.regions is not None
        assert torch.equal(result.regions, expected["regions"])
        assert result.probabilities is not None
        assert result.probabilities.float() == pytest.approx(
            expected["probabilities"].float(), abs=1e-5
        )
    found = tmp_path / "found"
    summary = predict_folder(validated.model, folders, found, PredictOptions(probabilities=True))
    assert (summary.done, summary.bad) == (2, 0)
    assert sorted(path.name for path in (found / "labels").iterdir()) == [
        f"{subject}.nii.gz" for subject in subjects
    ]
    pairs = [
        FilePair(brats / one / f"{one}_seg.nii.gz", found / "labels" / f"{one}.nii.gz")
        for one in subjects
    ]
    scores = evaluate_volumes(pairs, BRATS_REGIONS, distances=False)
    for place, result in enumerate(results):
        painted = region_masks(result.mask, REGIONS).sum((1, 2, 3)).double().numpy()
        assert scores.found_ml[place] * 1000 == pytest.approx(painted)
    lines = [json.loads(line) for line in (found / "predictions.jsonl").read_text().splitlines()]
    assert [line["labels"] for line in lines] == [f"labels/{one}.nii.gz" for one in subjects]
    with (found / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == subjects
    assert float(rows[0]["WT_ml"]) == pytest.approx(lines[0]["ml"]["WT"])
    assert (found / "pictures" / f"{subjects[0]}.png").is_file()
    written = nibabel.load(found / "probabilities" / f"{subjects[0]}_TC.nii.gz")
    assert written.get_fdata() == pytest.approx(results[0].probabilities[0].double().numpy())


def test_a_series_of_dicom_files_gives_the_labels_of_the_same_volume_in_nifti(
    tmp_path: Path,
) -> None:
    pytest.importorskip("pydicom")
    from helpers.tiny_dicom import expected_affine, make_series, write_slices

    from vision.ops.dicom import read_series_voxels

    series = write_slices(tmp_path / "scans" / "anna", make_series())
    write_nifti(tmp_path / "anna.nii.gz", read_series_voxels(series), expected_affine())
    task = tiny_volumes(modalities=["CT"], regions=None)
    model = Model(task, task.describe())
    expected = model.predict_image(tmp_path / "anna.nii.gz")
    assert len(expected.mask.unique()) > 1
    # Alone, among other series, and beside labels.
    write_nifti(series / "seg.nii.gz", np.zeros(expected.mask.shape, np.uint8))
    write_slices(tmp_path / "scans" / "ben" / "CT", make_series())
    summary = predict_folder(model, tmp_path / "scans", tmp_path / "found", PredictOptions())
    assert (summary.done, summary.bad) == (2, 0)
    for name in ("anna", "ben/CT"):
        found = nibabel.load(tmp_path / "found" / "labels" / f"{name}.nii.gz")
        np.testing.assert_array_equal(np.asarray(found.dataobj), expected.mask)
        np.testing.assert_allclose(found.affine, expected_affine(), atol=1e-5)
    assert model.predict_image(series).subject == "anna"
    with refuses(ImageError, "1.dcm", "one slice", "folder"):
        model.predict_image(series / "1.dcm")


def result_of(path: Path, mask: np.ndarray, **more: Any) -> VolumeResult:
    return VolumeResult(
        image=torch.zeros(1, *mask.shape),
        path=str(path),
        index=0,
        names=("background", "NCR", "ED", "ET"),
        subject="a",
        header=read_header(path),
        mask=torch.from_numpy(mask),
        label_values=(0, 1, 2, 4),
        **more,
    )


def test_a_result_is_saved_on_the_grid_of_its_source_with_the_values_of_the_data(
    tmp_path: Path,
) -> None:
    turn = np.deg2rad(20)
    affine = np.diag([1.0, 2.0, 3.0, 1]) @ np.array(
        [
            [np.cos(turn), -np.sin(turn), 0, 3],
            [np.sin(turn), np.cos(turn), 0, 4],
            [0, 0, -1, 5],
            [0, 0, 0, 1],
        ]
    )
    source = write_nifti(tmp_path / "a.nii.gz", np.zeros(SHAPE, np.float32), affine)
    mask = np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint8)
    result = result_of(source, mask)
    file = nibabel.load(result.save(tmp_path / "out" / "b.nii.gz"))
    assert np.array_equal(file.get_fdata(), np.array([0, 1, 2, 4])[mask])
    assert np.allclose(file.affine, nibabel.load(source).affine)
    with Image.open(result.save(tmp_path / "b.png")) as picture:
        assert min(picture.size) > 100
    with refuses(ConfigError, "b.xyz"):
        result.save(tmp_path / "b.xyz")


def test_millilitres_are_of_classes_or_of_regions(tmp_path: Path) -> None:
    source = write_nifti(tmp_path / "a.nii", np.zeros((2, 2, 2)), np.diag([10.0, 10, 10, 1]))
    mask = np.zeros((2, 2, 2), np.uint8)
    mask[0, 0], mask[1, 1, 1] = 2, 3
    classes = result_of(source, mask)
    assert classes.volumes_ml() == pytest.approx({"NCR": 0, "ED": 2, "ET": 1})
    assert classes.labels_found() == ["ED", "ET"]
    assert classes.in_words() == "ED 2.00 ml, ET 1.00 ml"
    assert "2 x 2 x 2" in repr(classes)
    regions = torch.from_numpy(np.stack([mask > 0, mask == 3]))
    of_regions = result_of(source, mask, regions=regions, region_names=("WT", "ET"))
    assert of_regions.to_dict()["ml"] == pytest.approx({"WT": 3, "ET": 1})


def test_one_subject_is_a_folder_or_a_list_of_files(validated: Validated, brats: Path) -> None:
    folder = brats / "BraTS2021_00002"
    files = [str(folder / f"{folder.name}_{name}.nii.gz") for name in MODALITIES]
    found = [validated.model.predict_image(source) for source in (folder, files[::-1])]
    assert torch.equal(found[0].mask, found[1].mask)
    with refuses(ConfigError, "is a folder"):
        validated.model.predict_image(brats)


def test_a_bad_subject_is_named_and_may_be_skipped(validated: Validated, tmp_path: Path) -> None:
    write_brats(tmp_path, subjects=2, shape=SHAPE)
    (tmp_path / "BraTS2021_00000" / "BraTS2021_00000_t1.nii.gz").unlink()
    with refuses(ImageError, "BraTS2021_00000", "'t1'"):
        list(validated.model.predict(tmp_path))
    results = validated.model.predict(tmp_path, skip_bad_images=True)
    assert [result.subject for result in results] == ["BraTS2021_00001"]
    assert len(results.bad_images) == 1


def test_what_does_not_apply_is_refused(validated: Validated, brats: Path, tmp_path: Path) -> None:
    with refuses(ConfigError, "VolumeSegmentation", "windows", "inference.window"):
        validated.model.predict(brats, tile=64)
    with refuses(ConfigError, "VolumeSegmentation", "subjects", "features"):
        validated.model.embed(brats)
    with refuses(ConfigError, "VolumeSegmentation", "frames", "NIfTI"):
        predict_video(validated.model, "film.mp4", tmp_path / "out", PredictOptions())
    with refuses(ConfigError, "ndarray", "NIfTI"):
        list(validated.model.predict(np.zeros((3, 8, 8), np.uint8)))
