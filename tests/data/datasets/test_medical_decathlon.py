"""The Medical Segmentation Decathlon: what the list says decides classes, channels and values."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny_volumes import tumour, write_decathlon

from vision.data import MedicalDecathlon
from vision.data.transforms.volumes_options import VolumeAugment
from vision.errors import DataError

AUGMENT = VolumeAugment(patch_size=(8, 8, 8))


def decathlon(root: Path, **options: Any) -> MedicalDecathlon:
    given = {"augment": AUGMENT, "num_workers": 0, "orientation": "LPS"}
    return MedicalDecathlon(root=root, **{**given, **options})


def test_modalities_of_one_file_become_channels(tmp_path: Path) -> None:
    data = decathlon(write_decathlon(tmp_path), intensity=None)
    data.setup("fit")
    assert data.modalities == ("FLAIR", "T1w", "t1gd", "T2w")
    assert data.class_names == ("background", "necrotic", "edema", "enhancing")
    assert data.label_values == (0, 1, 2, 3)
    sample = data.val_dataset[0]
    values, mask = tumour(int(sample["subject"].removeprefix("TASK_")))
    np.testing.assert_array_equal(sample["volume"], values)
    np.testing.assert_array_equal(sample["mask"], mask)
    data.setup("predict")
    assert [*data.index("predict").subjects] == ["TASK_900"]
    assert "mask" not in data.predict_dataset[0]


def test_ct_gets_a_window_and_magnetic_resonance_a_zscore(tmp_path: Path) -> None:
    data = decathlon(write_decathlon(tmp_path / "ct", modalities=("CT",)))
    assert data.preprocessing is not None
    assert data.preprocessing["intensity"] == {"window": [-175.0, 250.0]}
    data.setup("validate")
    assert data.val_dataset[0]["volume"].min() >= 0
    assert data.val_dataset[0]["volume"].max() == 1
    data = decathlon(tmp_path / "ct", intensity={"window": [-1000, 400]})
    assert data.preprocessing["intensity"] == {"window": [-1000.0, 400.0]}
    data = decathlon(write_decathlon(tmp_path / "mri"))
    assert data.preprocessing["intensity"] == "zscore_nonzero"


@pytest.mark.parametrize("named", [True, False])
def test_the_folds_of_a_run_are_given_back_as_its_list(named: bool, tmp_path: Path) -> None:
    root = write_decathlon(tmp_path / "task", modalities=("CT",))
    path = tmp_path / "folds.json"
    ours = [decathlon(root, fold=fold, folds=2, seed=3) for fold in (0, 1)]
    table = ours[0].fold_table()
    row = table["training"][4]
    assert (row["image"], row["label"]) == ("imagesTr/TASK_004.nii.gz", "labelsTr/TASK_004.nii.gz")
    if not named:  # as in MONAI's lists
        for one in table["training"]:
            del one["subject"]
    path.write_text(json.dumps(table))
    for fold, data in enumerate(ours):
        again = decathlon(root, fold=fold, fold_list=path)
        assert [*again.index("val").subjects] == [*data.index("val").subjects]
    path.write_text(json.dumps({"training": table["training"][1:]}))
    with pytest.raises(DataError, match=r"folds\.json' has no fold for 1 of 5 subjects.*TASK_000"):
        decathlon(root, fold_list=path).setup("fit")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"labels": None}, "'labels' is None"),
        ({"modality": {"a": "CT"}}, "'modality' has 'a'"),
        ({"training": [{"image": "./imagesTr/TASK_000.nii.gz"}]}, "entry 1 of 'training'"),
    ],
)
def test_lists_of_another_form_are_refused(
    tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    path = write_decathlon(tmp_path) / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=match):
        decathlon(tmp_path, folds=2).setup("fit")


def test_a_volume_of_another_number_of_channels_is_told(tmp_path: Path) -> None:
    path = write_decathlon(tmp_path) / "dataset.json"
    found = json.loads(path.read_text()) | {"modality": {"0": "T1", "1": "T2"}}
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=r"\(20, 24, 18, 4\), 4 volumes; expected 2 volumes"):
        decathlon(tmp_path).setup("fit")
