"""BraTS: names of both years, folds, samples that depend on their address alone, bad files."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from helpers.tiny_volumes import LPS, SHAPE, tumour, write_brats, write_nifti

from vision.data import BraTS
from vision.data.transforms.volumes_options import VolumeAugment
from vision.errors import ConfigError, DataError, ImageError
from vision.ops.volume_regions import check_regions

AUGMENT = VolumeAugment(patch_size=(16, 16, 16), affine=0.5)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_brats(tmp_path_factory.mktemp("brats"))


def brats(root: Path, **options: Any) -> BraTS:
    data = BraTS(root=root, **{"augment": AUGMENT, "num_workers": 0, **options})
    data.setup("fit")
    return data


@pytest.mark.parametrize("year", [2021, 2023])
def test_channels_classes_and_cells_are_those_of_the_files(year: int, tmp_path: Path) -> None:
    data = brats(write_brats(tmp_path, year=year, subjects=3), folds=3)
    sample = data.val_dataset[0]
    values, mask = tumour(int(re.findall(r"\d{5}", sample["subject"])[-1]))
    for channel, wanted in zip(sample["volume"].numpy(), values, strict=True):
        own = wanted[wanted != 0].astype(np.float64)
        normal = np.where(wanted != 0, (wanted - own.mean()) / own.std(), 0)
        np.testing.assert_allclose(channel, normal, atol=1e-5)
    np.testing.assert_array_equal(sample["mask"].numpy(), mask)
    np.testing.assert_array_equal(sample["affine"].numpy(), LPS)
    assert sample["original_size"].tolist() == [*SHAPE]
    assert sample["path"].endswith(("_flair.nii.gz", "-t2f.nii.gz"))
    assert data.label_values == ((0, 1, 2, 4) if year == 2021 else (0, 1, 2, 3))
    assert data.modalities == ("flair", "t1ce", "t1", "t2")


def test_regions_or_labels_are_learned(root: Path) -> None:
    data = BraTS(root=root)
    assert data.regions is not None
    assert check_regions(data.regions, data.num_classes) == data.regions
    assert [*data.regions] == ["TC", "WT", "ET"]
    assert BraTS(root=root, targets="labels").regions is None


def test_each_subject_validates_in_one_fold(root: Path) -> None:
    seen = []
    for fold in range(5):
        data = BraTS(root=root, fold=fold)
        val, train = ({*data.index(split).subjects} for split in ("val", "train"))
        assert not val & train
        assert len(val | train) == 5
        seen += [*val]
    assert len({*seen}) == len(seen) == 5
    others = [[*BraTS(root=root, seed=seed).index("val").subjects] for seed in range(4)]
    assert len({*map(tuple, others)}) > 1


def test_a_published_list_gives_the_folds(root: Path, tmp_path: Path) -> None:
    rows = []
    for number in range(5):
        name = f"BraTS2021_{number:05}"
        images = [f"TrainingData/{name}/{name}_{ending}.nii.gz" for ending in ("flair", "t1ce")]
        label = f"TrainingData/{name}/{name}_seg.nii.gz"
        rows.append({"fold": int(number == 3), "image": images, "label": label})
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({"training": rows}))
    assert [*BraTS(root=root, fold_list=path, fold=1).index("val").subjects] == ["BraTS2021_00003"]
    with pytest.raises(DataError, match=r"no subject is in fold 7; it has the folds 0, 1"):
        brats(root, fold_list=path, fold=7)
    path.write_text(json.dumps({"training": rows[1:]}))
    with pytest.raises(DataError, match=r"no fold for 1 of 5 subjects.*'BraTS2021_00000'"):
        brats(root, fold_list=path)
    path.write_text(json.dumps({"training": [{"image": []}]}))
    with pytest.raises(DataError, match="entry 1"):
        brats(root, fold_list=path)


def test_the_folds_of_a_run_are_given_back_as_its_list(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    table = BraTS(root=root, folds=3, seed=4).fold_table()
    path.write_text(json.dumps(table))
    row = table["training"][2]
    name = row["subject"]
    endings = ("flair", "t1ce", "t1", "t2", "seg")
    files = [f"{name}/{name}_{ending}.nii.gz" for ending in endings]
    assert [*row["image"], row["label"]] == files
    splits = set()
    for fold in range(3):
        ours = BraTS(root=root, fold=fold, folds=3, seed=4)
        # The list decides; neither the seed nor the number of folds does.
        again = BraTS(root=root, fold=fold, fold_list=path, seed=9)
        for split in ("train", "val"):
            assert [*again.index(split).subjects] == [*ours.index(split).subjects]
        assert again.fold_table() == table
        splits.add(tuple(ours.index("val").subjects))
    assert len(splits) == 3
    # Without names, as in the published list, the folders name the subjects.
    for one in table["training"]:
        del one["subject"]
    path.write_text(json.dumps(table))
    again = BraTS(root=root, fold=2, fold_list=path)
    assert [*again.index("val").subjects] == [*ours.index("val").subjects]


def test_samples_depend_on_seed_epoch_and_index_alone(root: Path) -> None:
    def batches(workers: int, seed: int = 0) -> list[dict[str, Any]]:
        data = brats(root, num_workers=workers, batch_size=2, seed=seed)
        loader = data.train_dataloader()
        found = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
            torch.rand(3)
            found += [*loader]
        return found

    first, second = batches(0), batches(2)
    assert len(first) == len(second) == 4
    for one, other in zip(first, second, strict=True):
        assert one["subject"] == other["subject"]
        assert one["volume"].shape == (2, 4, 16, 16, 16)
        for key in ("volume", "mask", "affine"):
            assert torch.equal(one[key], other[key])
    assert not torch.equal(first[0]["volume"], first[2]["volume"])
    assert not torch.equal(first[0]["volume"], batches(0, seed=1)[0]["volume"])


def test_subjects_without_labels_are_predicted(root: Path, tmp_path: Path) -> None:
    write_brats(tmp_path, subjects=2)
    for path in tmp_path.glob("*/*_seg.nii.gz"):
        path.unlink()
    data = BraTS(root=root, predict_root=tmp_path, num_workers=0)
    data.setup("predict")
    (batch, _) = [*data.predict_dataloader()]
    assert "mask" not in batch
    assert batch["volume"].shape == (1, 4, *SHAPE)
    data = BraTS(root=root, num_workers=0)
    data.setup("predict")
    assert "mask" not in data.predict_dataset[0]


def change(path: Path, values: Any = None, affine: np.ndarray = LPS) -> None:
    old = np.asarray(nibabel.load(path).dataobj)
    write_nifti(path, old if values is None else values(old), affine)


def nan(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32)
    values[0, 0, 0] = np.nan
    return values


def test_every_problem_is_listed_by_subject_and_file(tmp_path: Path) -> None:
    root = write_brats(tmp_path, subjects=9)

    def file(number: int, ending: str) -> Path:
        name = f"BraTS2021_{number:05}"
        return root / name / f"{name}_{ending}.nii.gz"

    file(0, "t1").unlink()
    moved = LPS.copy()
    moved[1, 3] += 2.5
    change(file(1, "t2"), affine=moved)
    change(file(2, "t1ce"), lambda values: values[:-1])
    change(file(3, "flair"), lambda values: np.stack([values, values], -1))
    data = file(4, "t1").read_bytes()
    file(4, "t1").write_bytes(data[: len(data) // 2])
    change(file(5, "t2"), nan)
    change(file(6, "seg"), lambda values: np.where(values == 2, 7, values).astype(np.uint8))
    flat = bytearray(gzip.decompress(file(7, "flair").read_bytes()))
    flat[80:84] = b"\0\0\0\0"
    file(7, "flair").with_suffix("").write_bytes(flat)
    file(7, "flair").unlink()
    with pytest.raises(DataError, match=r"has \d problem") as raised:
        brats(root, folds=2)
    assert str(raised.value).count("\n") <= 7
    data = BraTS(root=root, folds=2, num_workers=0)
    remarks: list[str] = []
    problems = [*data.problems(remarks=remarks)]
    wanted = [
        r"subject 'BraTS2021_00000': there is no NIfTI file '.*_t1\.nii\.gz'",
        r"subject 'BraTS2021_00001': the affine of '.*_t2\.nii\.gz' differs .* by 2\.5 \(row 1, "
        r"column 3: 241\.5 instead of 239\).*data\.resample",
        r"subject 'BraTS2021_00002': '.*_t1ce\.nii\.gz' has 19 x 24 x 18 cells, but '.*_flair",
        r"subject 'BraTS2021_00003': '.*_flair\.nii\.gz' has the shape \(20, 24, 18, 2\), 2 vol",
        r"subject 'BraTS2021_00004': '.*_t1\.nii\.gz' is not a whole gzip file",
        r"subject 'BraTS2021_00005': '.*_t2\.nii\.gz': 1 of 8,640 cells are no finite numbers",
        r"subject 'BraTS2021_00006': '.*_seg\.nii\.gz' has values that no class has: 7 in \d+ ",
        r"subject 'BraTS2021_00007': '.*_flair\.nii' states a spacing of 0 x 1 x 1 mm",
    ]
    for pattern in wanted:
        assert len([one for one in problems if re.search(pattern, one)]) == 1, pattern
    assert len(problems) == len(wanted)
    assert not any("no cell of any volume has the class" in remark for remark in remarks)


def test_grids_that_differ_are_resampled_where_that_is_asked_for(tmp_path: Path) -> None:
    root = write_brats(tmp_path, subjects=2)
    name = "BraTS2021_00000"
    for ending in ("t2", "seg"):
        path = root / name / f"{name}_{ending}.nii.gz"
        image = nibabel.load(path)
        # The same cells in another order of axes, with another affine.
        other = nibabel.as_closest_canonical(image).slicer[1:]
        nibabel.save(other, path)
    with pytest.raises(DataError, match=r"_t2\.nii\.gz' has 19 x 24 x 18 cells"):
        brats(root, folds=2)
    data = BraTS(root=root, folds=2, resample=True, num_workers=0)
    for stage in ("fit", "validate"):
        data.setup(stage)
    split = "val" if name in [*data.index("val").subjects] else "train"
    samples = data.make_samples(data.index(split), data.eval_transform)
    found = samples.example([*data.index(split).subjects].index(name))
    values, mask = tumour(0)
    # The cells that were cut off are those with the highest index in the original.
    np.testing.assert_array_equal(found["volume"][3, :-1], values[3, :-1])
    np.testing.assert_array_equal(found["mask"][:-1], mask[:-1])
    assert (found["mask"][-1] == 255).all()


def test_a_class_that_no_volume_has_is_noted(tmp_path: Path) -> None:
    root = write_brats(tmp_path, subjects=2)
    for path in root.glob("*/*_seg.nii.gz"):
        change(path, lambda values: np.where(values == 4, 1, values).astype(np.uint8))
    data = BraTS(root=root, folds=2, num_workers=0)
    remarks: list[str] = []
    assert [*data.problems(remarks=remarks)] == []
    assert "train: no cell of any volume has the class 'ET'." in remarks


def test_lesions_of_the_last_subject_are_enough(tmp_path: Path) -> None:
    root = write_brats(tmp_path, subjects=10)
    data = BraTS(root=root, folds=2, num_workers=0)
    index = data.index("train")
    masks = [Path(path) for path in index.masks or ()]
    for path in masks[:3] + masks[4:]:
        change(path, np.zeros_like)
    data.scan("train")
    change(masks[3], np.zeros_like)
    match = "every cell of the 5 volumes of the train split, .* there is nothing to learn"
    with pytest.raises(DataError, match=match):
        data.scan("train")


def test_unreadable_subjects_may_be_skipped(tmp_path: Path) -> None:
    root = write_brats(tmp_path, subjects=4)
    data = brats(root, folds=4)
    broken = data.index("train").files_of(1)[2]
    Path(broken).write_bytes(Path(broken).read_bytes()[:-200])
    with pytest.raises(ImageError, match="not a whole gzip file"):
        _ = data.train_dataset[1]


def test_wrong_options_and_folders_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fold=5.*from 0 to 4"):
        BraTS(root=root, fold=5)
    with pytest.raises(ConfigError, match="targets"):
        BraTS(root=root, targets="all")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no folder"):
        brats(tmp_path / "absent")
    with pytest.raises(DataError, match=r"no folders of subjects.*Expected ROOT/BraTS2021_00000"):
        brats(tmp_path)
    with pytest.raises(ConfigError, match="only 5 subjects"):
        brats(root, folds=6)


def test_an_index_decodes_no_voxel(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = BraTS(root=root)
    monkeypatch.setattr("vision.ops.nifti._read_values", None)
    assert len(data.index("train")) == 4
