import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_segments import (
    CATEGORY_IDS,
    CLASSES,
    colours,
    scene,
    write_panoptic,
    write_pixels,
)

from vision.data import COCOPanoptic
from vision.data.base.panoptic_samples import PanopticSamples
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.errors import ConfigError, DataError, ImageError

AUGMENT = PanopticAugment(crop=(44, 60), scale=(0.5, 2.0))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panoptic(tmp_path_factory.mktemp("panoptic"))


def make(root: Path, **options: Any) -> COCOPanoptic:
    sizes = {"long_side": 28, "canvas": (28, 30), "augment": AUGMENT}
    return COCOPanoptic(root=root, **{"cache_dir": "", "num_workers": 0, **sizes, **options})


def test_what_tasks_need_is_known_before_setup(root: Path) -> None:
    data = make(root)
    assert (data.kind, data.batch_size, data.num_classes) == ("panoptic", 2, 4)
    assert data.class_names == CLASSES
    assert data.things == [0, 1]
    assert data.category_ids.tolist() == [*CATEGORY_IDS]
    assert data.palette is None
    assert data.preprocessing == {"long_side": 28, "canvas": [28, 30], "antialias": True}
    assert data.test_split == data.predict_split == "val"


def test_evaluation_keeps_every_image_and_its_segments(root: Path) -> None:
    data = make(root)
    data.setup("validate")
    assert data.train_dataset is None
    (batch,) = data.val_dataloader()
    assert [Path(path).name for path in batch["path"]] == ["000000000103.png", "000000000110.png"]
    assert batch["image"].shape == (2, 3, 28, 30)
    assert batch["size"].tolist() == [[20, 28]] * 2
    assert batch["canvas"].tolist() == [[28, 30]] * 2
    assert batch["original_size"].tolist() == [[40, 56]] * 2
    assert batch["index"].tolist() == [0, 1]
    for image, number in enumerate((103, 110)):
        ids, segments = scene(number)
        np.testing.assert_array_equal(batch["mask"][image], ids)
        infos = batch["segments"][image]
        assert [info["id"] for info in infos] == segments.ids.tolist()
        assert [info["category_id"] for info in infos] == segments.labels.tolist()
        assert [info["isthing"] for info in infos] == (segments.labels < 2).tolist()
        assert [info["iscrowd"] for info in infos] == segments.crowd.tolist()
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    assert not {"mask", "segments"} & {*batch}
    pixels, ids, infos = data.val_dataset.example(0)
    assert (pixels.shape[1:], ids.shape) == ((40, 56), (40, 56))
    assert len(infos) == len(scene(103)[1].ids)


def test_an_epoch_is_a_function_of_seed_and_epoch_at_any_number_of_workers(root: Path) -> None:
    def epoch(seed: int, number: int, workers: int = 0) -> list[Any]:
        fresh = make(root, seed=seed, num_workers=workers)
        fresh.setup("fit")
        loader = fresh.train_dataloader()
        loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        return [part for batch in loader for part in (batch["image"], batch["mask"])]

    first = epoch(4, 1)
    assert first[0].shape == (2, 3, 44, 60)
    torch.manual_seed(99)
    for again in (epoch(4, 1), epoch(4, 1, workers=2)):
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for seed, number in ((4, 2), (5, 1)):
        pairs = zip(first, epoch(seed, number), strict=True)
        assert not all(torch.equal(a, b) for a, b in pairs)


def test_what_the_first_images_hold_is_logged(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        make(root).setup("fit")
    line = next(text for text in caplog.messages if text.startswith("train: 2 things"))
    segments = [scene(number)[1] for number in (3, 10, 17, 24)]
    discs = sum(int((one.labels[~one.crowd] == 0).sum()) for one in segments)
    crowds = sum(int(one.crowd.sum()) for one in segments)
    for part in ("2 sorts of stuff", "in 4 images", f"disc {discs}", f"{crowds} crowds", "96.4%"):
        assert part in line


def test_files_that_do_not_fit_end_a_run_before_it_starts(tmp_path: Path) -> None:
    root = write_panoptic(tmp_path, counts={"train": 12, "val": 1})
    folder = root / "annotations" / "panoptic_train2017"
    first = folder / "000000000003.png"
    write_pixels(first, colours(scene(3)[0][:, 1:]))
    data = make(tmp_path)
    data.setup("validate")
    with refuses(ImageError, first.name, "40 x 55", "40 x 56"):
        data.setup("fit")
    assert data.train_dataset is None
    first.write_bytes(first.read_bytes()[:60])
    with refuses(ImageError, first.name, "cannot be read"):
        data.setup("fit")
    patient = make(tmp_path, skip_bad_images=1)
    patient.setup("fit")
    bad = {text for batch in patient.train_dataloader() for text in batch.get("bad_images", ())}
    assert len(bad) == 1  # to train on, or to paste from
    write_pixels(first, colours(np.full((40, 56), 5, dtype=np.int32)))
    with refuses(DataError, first.name, "5", "image 3", "segments_info"):
        make(tmp_path, skip_bad_images=1).setup("fit")


def test_images_to_predict_have_no_segments_to_train_on(tmp_path: Path, root: Path) -> None:
    write_pixels(tmp_path / "a" / "b.png", np.zeros((9, 7, 3), dtype=np.uint8))
    data = make(root, predict_root=tmp_path)
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    assert batch["size"].tolist() == [[28, 22]]
    with refuses(DataError, "no segments", "b.png"):
        PanopticSamples(data.index("predict"), data.eval_transform, np.zeros(4, dtype=bool))


def test_options_out_of_range(root: Path) -> None:
    for wrong in ({"long_side": 0}, {"canvas": (8, 0)}, {"batch_size": 0}):
        with refuses(ConfigError, *wrong):
            make(root, **wrong)
