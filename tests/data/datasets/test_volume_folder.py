"""Volumes that a file lists: forms of lists, splits and folds, and real scans of packages."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from helpers.tiny_volumes import tumour, write_nifti, write_volume_list

from vision.data import VolumeFolder
from vision.data.check.problems import find_problems
from vision.data.transforms.volumes_options import VolumeAugment
from vision.errors import ConfigError, DataError

CLASSES = ("background", "necrosis", "oedema", "enhancing")
SCANS = Path(nibabel.__file__).parent / "tests" / "data"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_volume_list(tmp_path_factory.mktemp("volumes"))


def folder(root: Path, **options: Any) -> VolumeFolder:
    given = {"classes": CLASSES, "num_workers": 0, "augment": VolumeAugment((8, 8, 8))}
    return VolumeFolder(root=root, **{**given, **options})


def test_a_table_of_volumes_gives_its_splits(root: Path) -> None:
    data = folder(root, patches_per_volume=3, orientation="LPS", intensity=None)
    data.setup("fit")
    assert [*data.index("train").subjects] == ["s0", "s1"]
    assert [*data.index("val").subjects] == ["s2"]
    assert data.train_size == 6
    values, mask = tumour(2)
    sample = data.val_dataset[0]
    np.testing.assert_array_equal(sample["volume"][0], values[0])
    np.testing.assert_array_equal(sample["mask"], mask)
    assert (data.test_split, data.predict_split) == ("val", "val")
    assert [data.train_dataset[number]["subject"] for number in range(6)] == ["s0", "s1"] * 3


def test_one_column_for_each_modality_or_one_file_of_them_all(tmp_path: Path) -> None:
    values, mask = tumour(0)
    for name, channel in zip(("t1", "t2"), values, strict=False):
        write_nifti(tmp_path / f"a_{name}.nii", channel)
    write_nifti(tmp_path / "a.nii", np.moveaxis(values[:2], 0, 3))
    write_nifti(tmp_path / "seg.nii", mask)
    path = tmp_path / "volumes.csv"
    path.write_text("t1,t2,label,fold\na_t1.nii,a_t2.nii,seg.nii,0\na.nii,,seg.nii,1\n")
    options: dict[str, Any] = {"modalities": ("t1", "t2"), "intensity": None, "orientation": "LPS"}
    with pytest.raises(DataError, match="row 2: the cell 't2' is empty"):
        folder(tmp_path, **options).setup("fit")
    path.write_text(
        "t1,t2,label,split\na_t1.nii,a_t2.nii,seg.nii,val\na_t2.nii,a_t1.nii,seg.nii,train\n"
    )
    data = folder(tmp_path, **options)
    data.setup("validate")
    found = [data.val_dataset[0]["volume"].numpy()]
    path.unlink()
    listed = [
        {"image": ["a_t1.nii", "a_t2.nii"], "label": "seg.nii", "fold": 0},
        {"image": "a.nii", "label": "seg.nii", "fold": 1, "subject": "b"},
    ]
    (tmp_path / "volumes.json").write_text(json.dumps({"training": listed}))
    for fold, name in enumerate("ab"):
        data = folder(tmp_path, **options, fold=fold)
        data.setup("validate")
        assert [*data.index("val").subjects] == [name]
        found.append(data.val_dataset[0]["volume"].numpy())
    for volume in found:
        np.testing.assert_array_equal(volume, values[:2])


def test_subjects_without_labels_are_predicted(root: Path, tmp_path: Path) -> None:
    rows = [{"image": str(root / "scans" / f"{number}.nii.gz")} for number in range(2)]
    path = tmp_path / "list.json"
    label = str(root / "labels" / "0.nii.gz")
    path.write_text(json.dumps({"train": [rows[0] | {"label": label}], "test": [rows[1]]}))
    data = folder(root, list_file=path)
    assert (data.test_split, data.predict_split) == ("val", "predict")
    assert [*data.index("predict").subjects] == ["1"]
    path.write_text(json.dumps({"train": rows}))
    with pytest.raises(DataError, match=r"of the train split have no labels in the list: '[01]'"):
        folder(root, list_file=path, folds=2).index("train")


def test_the_folds_of_a_run_are_given_back_as_its_list(root: Path, tmp_path: Path) -> None:
    assert folder(root).fold_table() is None  # the list names a validation set
    own, away = root / "own.csv", tmp_path / "away.nii.gz"
    away.symlink_to(root / "scans" / "0.nii.gz")
    rows = [f"s{k},scans/{k % 3}.nii.gz,labels/{k % 3}.nii.gz,train" for k in range(4)]
    rows += [f"far,{away},labels/0.nii.gz,train", "t,scans/1.nii.gz,labels/1.nii.gz,test"]
    own.write_text("\n".join(["subject,image,label,split", *rows, "p,scans/2.nii.gz,,predict"]))
    first = folder(root, list_file=own, folds=2)
    table = first.fold_table()
    assert table is not None
    assert [*table] == ["training", "test", "predict"]
    assert table["training"][4]["image"] == str(away)
    assert table["predict"] == [{"subject": "p", "image": "scans/2.nii.gz"}]
    path = tmp_path / "folds.json"
    path.write_text(json.dumps(table))
    for fold in (0, 1):
        ours = folder(root, list_file=own, fold=fold, folds=2)
        again = folder(root, list_file=path, fold=fold, seed=7)
        for split in ("train", "val", "test", "predict"):
            assert again.find_subjects(split) == ours.find_subjects(split)
        assert again.fold_table() == table


def test_subjects_of_two_splits_are_found_by_their_names(root: Path) -> None:
    def problems(lines: list[str]) -> list[str]:
        path = root / "shared.csv"
        path.write_text("\n".join(["subject,image,label,split", *lines]) + "\n")
        return [*find_problems(folder(root, list_file=path))]

    train = [f"s{k},scans/{k}.nii.gz,labels/{k}.nii.gz,train" for k in (0, 1)]
    last = "scans/2.nii.gz,labels/2.nii.gz"
    # Whom to predict may be anyone.
    assert not problems([*train, f"s2,{last},val", f"s1,{last},predict"])
    (found,) = problems([*train, f"s1,{last},val"])
    files = [str(root / "scans" / f"{k}.nii.gz") for k in (1, 2)]
    assert f"subject 's1' is in the splits train ('{files[0]}') and val ('{files[1]}')" in found


def test_ignored_cells_and_values_of_classes(tmp_path: Path) -> None:
    values, mask = tumour(0)
    stored = np.choose(mask, [10, 20, 255, 40]).astype(np.int16)
    write_nifti(tmp_path / "a.nii", values[0])
    write_nifti(tmp_path / "seg.nii", stored)
    (tmp_path / "volumes.csv").write_text("subject,image,label\na,a.nii,seg.nii\nb,a.nii,seg.nii\n")
    classes = ("none", "one", "three")
    data = folder(tmp_path, classes=classes, label_values=(10, 20, 40), folds=2)
    data.setup("validate")
    np.testing.assert_array_equal(data.val_dataset[0]["mask"], np.choose(mask, [0, 1, 255, 2]))
    np.testing.assert_array_equal(data.labels.restore(np.array([0, 2])), [10, 40])


def test_two_subjects_of_one_name_are_told(root: Path) -> None:
    path = root / "twice.csv"
    rows = "\n".join(f"s,scans/{number}.nii.gz,labels/{number}.nii.gz,train" for number in (0, 1))
    path.write_text(f"subject,image,label,split\n{rows}\nv,scans/2.nii.gz,labels/2.nii.gz,val\n")
    with pytest.raises(DataError, match=r"2 subjects have the name 's'.*0\.nii\.gz.*1\.nii\.gz"):
        folder(root, list_file=path).setup("fit")


def test_a_spacing_of_too_many_cells_is_told_before_reading(root: Path) -> None:
    with pytest.raises(DataError, match=r"subject 's0'.*20 x 24 x 18|would have .* more than") as e:
        folder(root, spacing=(0.011, 0.011, 0.011)).setup("fit")
    assert "1 x 1 x 1 mm" in str(e.value)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("image,label\n", "has no volumes"),
        ("label\nx\n", "no column 'image'"),
        ("image,label,split\na.nii,b.nii,trian\n", r"'trian' is not a split.*'train'"),
        ("image,label,fold\na.nii,b.nii,-1\n", "the fold '-1'"),
    ],
)
def test_lists_of_another_form_are_refused(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "volumes.csv").write_text(text)
    with pytest.raises(DataError, match=match):
        folder(tmp_path).setup("fit")


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ({"label": "b.nii"}, "'image' is None"),
        ({"image": ["a.nii", "b.nii", "c.nii"]}, "has 3 images"),
        ({"image": "a.nii", "label": 3}, "'label' is 3"),
    ],
)
def test_entries_of_another_form_are_refused(tmp_path: Path, entry: dict, match: str) -> None:
    (tmp_path / "volumes.json").write_text(json.dumps({"train": [entry]}))
    with pytest.raises(DataError, match=f"entry 1 of 'train'.*{match}"):
        folder(tmp_path).setup("fit")


def test_wrong_options_are_refused(root: Path) -> None:
    for options, match in (
        ({"classes": ("a", "a")}, "same name 'a'"),
        ({"label_values": (0, 1)}, "4 classes"),
        ({"label_values": (0, 1, 2, 2)}, "same value 2"),
        ({"modalities": ("t1", "t1")}, "different name"),
        ({"intensity": "minmax"}, "intensity"),
        ({"cache_gb": -1}, "cache_gb"),
        ({"patches_per_volume": 0}, "patches_per_volume"),
    ):
        with pytest.raises(ConfigError, match=match):
            folder(root, **options)
    with pytest.raises(DataError, match=r"has no list of volumes.*volumes\.csv"):
        folder(root / "scans").setup("fit")


@pytest.mark.parametrize(
    "name", ["anatomical.nii", "example4d.nii.gz", "reoriented_anat_moved.nii"]
)
def test_real_scans_come_in_one_orientation(name: str, tmp_path: Path) -> None:
    """Files of other makers: LAS, big-endian, two volumes of 16 bits."""
    source = SCANS / name
    if not source.exists():
        pytest.skip(f"this version of nibabel has no {name} among its files")
    image = nibabel.load(source)
    wanted = nibabel.as_closest_canonical(image)
    mask = (image.get_fdata() > 0).astype(np.uint8)
    mask = mask[..., 0] if mask.ndim == 4 else mask
    nibabel.save(nibabel.Nifti1Image(mask, image.affine), tmp_path / "mask.nii")
    rows = [{"image": str(source), "label": "mask.nii", "subject": one} for one in "ab"]
    (tmp_path / "volumes.json").write_text(json.dumps({"train": rows}))
    modalities = ("one", "two") if image.ndim == 4 else ("image",)
    options: dict[str, Any] = {"modalities": modalities, "classes": ("none", "head"), "folds": 2}
    data = folder(tmp_path, intensity=None, **options)
    data.setup("fit")
    sample = data.val_dataset[0]
    values = wanted.get_fdata()
    channels = np.moveaxis(values, 3, 0) if values.ndim == 4 else values[None]
    np.testing.assert_allclose(sample["volume"], channels, rtol=1e-6)
    np.testing.assert_allclose(sample["affine"], wanted.affine, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(sample["mask"], mask)
    assert data.train_dataset[0]["volume"].shape == (len(modalities), 8, 8, 8)
