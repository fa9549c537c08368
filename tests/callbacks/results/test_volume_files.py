from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from helpers.tiny_task import quiet_trainer
from helpers.tiny_volume_task import tiny_volumes
from helpers.tiny_volumes import LPS, MODALITIES, write_brats

from vision.callbacks.results.volume_files import VolumeFiles
from vision.data.datasets.brats import BraTS


def test_labels_lie_on_the_grid_of_their_subject_with_the_values_of_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = (8, 10, 9)
    root = write_brats(tmp_path / "brats", subjects=4, shape=shape)
    data = BraTS(root=root, folds=2, num_workers=0, predict_root=str(root), orientation="RAS")
    task = tiny_volumes(modalities=list(MODALITIES), label_values=[0, 1, 2, 4])
    writer = VolumeFiles(tmp_path / "found")
    trainer = quiet_trainer(tmp_path, callbacks=[writer])
    found = trainer.predict(task, data)
    assert found is not None
    masks = {one["subject"]: one["mask"] for batch in found for one in batch}
    names = [f"BraTS2021_{number:05}" for number in range(4)]
    assert sorted(path.name for path in writer.folder.iterdir()) == [f"{n}.nii.gz" for n in names]
    for name in names:
        file = nibabel.load(writer.folder / f"{name}.nii.gz")
        values = torch.tensor([0, 1, 2, 4])[masks[name].long()]
        assert np.array_equal(file.get_fdata(), values.numpy())
        assert np.array_equal(file.affine, LPS)
    assert f"4 volumes of labels are in {writer.folder}" in capsys.readouterr().out
