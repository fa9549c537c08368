"""Images with any number of classes, in folders and in a list."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from vision.data import MultiLabelFolder

SETS = {"a.png": ("cat", "dog"), "b.png": ("cat",), "sub/c.png": ("dog", "eel"), "d.png": ("eel",)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        for name, classes in SETS.items():
            for cls in classes:
                path = tmp_path / split / cls / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (12, 10), (ord(name[0]),) * 3).save(path)
    return tmp_path


def make(root: Path, **options: object) -> MultiLabelFolder:
    options = {"image_size": 8, "num_workers": 0, "batch_size": 4, **options}
    return MultiLabelFolder(root=root, **options)  # type: ignore[arg-type]


def test_one_name_in_several_folders_is_one_image(root: Path) -> None:
    data = make(root)
    data.setup("fit")
    assert data.class_names == ("cat", "dog", "eel")
    batch = next(iter(data.val_dataloader()))
    expected = [[cls in SETS[name] for cls in data.class_names] for name in sorted(SETS)]
    assert torch.equal(batch["label"], torch.tensor(expected).float())
    assert data.summary()["train"] == {"images": 4, "classes": {"cat": 2, "dog": 2, "eel": 2}}
    assert list(data.layout_problems()) == []
    shared = [problem for problem in data.problems() if "/eel/d.png" in problem]
    assert "(train, class 'eel')" in "".join(shared)


def test_a_list_gives_the_same(root: Path) -> None:
    rows = [
        f"{split}/{classes[0]}/{name},{';'.join(classes)},{split}"
        for split in ("train", "val")
        for name, classes in sorted(SETS.items())
    ]
    (root / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    data, folders = make(root, file_list=root / "list.csv"), make(root)
    for one in (data, folders):
        one.setup("fit")
    assert data.class_names == folders.class_names
    assert data.train_dataset.labels.tolist() == folders.train_dataset.labels.tolist()  # type: ignore[union-attr]
    assert [*data.train_dataset.paths] == [*folders.train_dataset.paths]  # type: ignore[union-attr]


def test_folds_of_images_with_several_classes(root: Path) -> None:
    held = []
    for fold in range(2):
        data = make(root / "train", folds=2, fold=fold)
        data.setup("fit")
        held += [*data.val_dataset.paths]  # type: ignore[union-attr]
        assert len(data.val_dataset) == 2  # type: ignore[arg-type]
    assert len(set(held)) == 4
