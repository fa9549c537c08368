import json
import pickle
import sys
import traceback
import types
from pathlib import Path

import lightning
import pytest
import torch
from helpers.pictures import texture
from helpers.refusals import refuses
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_masks import write_mask_folder
from lightning import Trainer
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import get_worker_info

from vision.data import COCO, ClassificationData, DataModule, Digits, ImageFolder, MaskFolder
from vision.data.loading.sampling import EpochSampler
from vision.data.transforms.classification import EvalTransform
from vision.data.transforms.detection import DetectionEvalTransform
from vision.data.transforms.segmentation import SegmentationEvalTransform
from vision.errors import ConfigError, DataError
from vision.workers import default_workers, start_worker


class Indices(ClassificationData):
    """Ten images that hold their index; of the classes "even" and "odd"."""

    class_names = ("even", "odd")
    bad = -1

    def setup(self, stage: str) -> None:
        self.train_dataset = IndexSamples(10, self.bad)
        self.val_dataset = IndexSamples(5)


class IndexSamples(torch.utils.data.Dataset):
    def __init__(self, count: int, bad: int = -1) -> None:
        self.count = count
        self.bad = bad

    def __getitem__(self, index: int) -> dict:
        if index == self.bad:
            raise DataError(f"image '{index}.jpg' is empty.")
        noise = torch.randint(256, (3, 2, 2), dtype=torch.uint8)
        noise[0] = index
        return {"image": noise, "label": torch.tensor(index % 2)}

    def __len__(self) -> int:
        return self.count


class Recorder(lightning.LightningModule):
    """Trains nothing and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.seen: list[Tensor] = []

    def training_step(self, batch: dict) -> Tensor:
        self.seen.append(batch["image"].clone())
        return self.layer(torch.ones(1, 1)).sum()

    def validation_step(self, batch: dict) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(folder: Path, **options: object) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )


def fit(folder: Path, *, workers: int = 0, epochs: int = 3, **options: object) -> list[Tensor]:
    recorder = Recorder()
    data = Indices(batch_size=4, num_workers=workers, seed=1)
    trainer(folder, max_epochs=epochs, **options).fit(recorder, data)
    return recorder.seen


def test_a_trainer_sees_new_data_in_each_epoch_and_the_same_in_each_run(tmp_path: Path) -> None:
    seen = fit(tmp_path)
    assert len(seen) == 6  # two whole batches of four in each epoch
    assert len({batch[:, 0, 0, 0].numpy().tobytes() for batch in seen}) == 6
    torch.testing.assert_close(fit(tmp_path), seen, rtol=0, atol=0)
    torch.testing.assert_close(fit(tmp_path, workers=2), seen, rtol=0, atol=0)


def test_a_resumed_run_continues_with_the_data_of_its_epoch(tmp_path: Path) -> None:
    whole = fit(tmp_path, epochs=4)
    first = trainer(tmp_path, max_epochs=2)
    first.fit(Recorder(), Indices(batch_size=4, num_workers=0, seed=1))
    first.save_checkpoint(tmp_path / "two.ckpt")
    resumed = Recorder()
    second = trainer(tmp_path, max_epochs=4)
    data = Indices(batch_size=4, num_workers=0, seed=1)
    second.fit(resumed, data, ckpt_path=tmp_path / "two.ckpt")
    torch.testing.assert_close(resumed.seen, whole[4:], rtol=0, atol=0)


@pytest.mark.parametrize(("whole", "batches", "steps"), [(True, 4, 2), (False, 5, 3)])
def test_an_epoch_may_end_with_its_last_whole_step(
    tmp_path: Path, whole: bool, batches: int, steps: int
) -> None:
    # Ten images are five batches of two: at two batches per step one is left over.
    def run(epochs: int, resume: Path | None = None) -> tuple[list[Tensor], Trainer]:
        data = Indices(batch_size=2, num_workers=0, seed=1)
        data.whole_steps = whole
        recorder = Recorder()
        made = trainer(tmp_path, max_epochs=epochs, accumulate_grad_batches=2)
        made.fit(recorder, data, ckpt_path=resume)
        return recorder.seen, made

    seen, made = run(2)
    assert (len(seen), made.global_step) == (2 * batches, 2 * steps)
    expected = [batch for epoch in (0, 1) for batch in two_by_two(epoch)[:batches]]
    torch.testing.assert_close([b[:, 0, 0, 0] for b in seen], expected, check_dtype=False)
    _, first = run(1)
    first.save_checkpoint(tmp_path / "one.ckpt")
    torch.testing.assert_close(run(2, tmp_path / "one.ckpt")[0], seen[batches:], rtol=0, atol=0)


def two_by_two(epoch: int) -> list[Tensor]:
    sampler = EpochSampler(IndexSamples(10), seed=1)
    sampler.set_epoch(epoch)
    return list(sampler.order().view(5, 2))


def test_an_epoch_without_a_whole_step_is_refused(tmp_path: Path) -> None:
    data = Indices(batch_size=4, num_workers=0)
    data.whole_steps = True
    with refuses(ConfigError, "2 batches", "4 images", "3"):
        trainer(tmp_path, max_epochs=1, accumulate_grad_batches=3).fit(Recorder(), data)


def test_overfitting_repeats_the_same_batch(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="overfit"):
        seen = fit(tmp_path, overfit_batches=1)
    assert len(seen) == 3
    torch.testing.assert_close(seen[1:], seen[:1] * 2, rtol=0, atol=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_dataset_reaches_the_user_as_it_is(tmp_path: Path, workers: int) -> None:
    data = Indices(batch_size=4, num_workers=workers)
    data.bad = 3
    with pytest.raises(DataError) as caught:
        trainer(tmp_path, max_epochs=2).fit(Recorder(), data)
    assert str(caught.value) == "image '3.jpg' is empty."
    # Workers that live on in the frames of an error take seconds to stop.
    traceback.clear_frames(caught.tb)


def test_training_leaves_out_an_incomplete_batch_only_if_there_is_another() -> None:
    for batch_size, sizes in ((4, [4, 4]), (5, [5, 5]), (10, [10]), (16, [10])):
        data = Indices(batch_size=batch_size, num_workers=0)
        data.setup("fit")
        assert [len(batch["label"]) for batch in data.train_dataloader()] == sizes


def test_validation_reads_all_in_order() -> None:
    data = Indices(batch_size=2, num_workers=0)
    data.setup("fit")
    labels = [batch["label"].tolist() for batch in data.val_dataloader()]
    assert labels == [[0, 1], [0, 1], [0]]


def test_each_process_trains_on_its_own_share() -> None:
    seen = []
    for rank in range(2):
        data = Indices(batch_size=5, num_workers=0)
        data.setup("fit")
        data.trainer = types.SimpleNamespace(global_rank=rank, world_size=2)
        (batch,) = data.train_dataloader()
        seen.append(set(batch["image"][:, 0, 0, 0].tolist()))
    assert seen[0] | seen[1] == set(range(10))
    assert not seen[0] & seen[1]


def test_a_worker_keeps_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    opencv = types.SimpleNamespace(setNumThreads=threads.append)
    monkeypatch.setitem(sys.modules, "cv2", opencv)
    start_worker(0)
    assert threads == [0]

    class Threads(IndexSamples):
        def __getitem__(self, index: int) -> dict:
            assert get_worker_info() is not None
            return {**super().__getitem__(index), "label": torch.tensor(torch.get_num_threads())}

    data = Indices(batch_size=10, num_workers=1)
    data.train_dataset = Threads(10)
    (batch,) = data.train_dataloader()
    assert batch["label"].tolist() == [1] * 10


def test_datasets_can_be_sent_to_a_worker_that_was_not_forked() -> None:
    data = Digits()
    data.setup("fit")
    loader = data.train_dataloader()
    dataset, collate = pickle.loads(pickle.dumps((loader.dataset, loader.collate_fn)))
    sample = dataset[2, 5]
    assert torch.equal(sample["image"], loader.dataset[2, 5]["image"])
    assert set(collate([sample])) == {"image", "size", "label", "index"}


def test_the_number_of_workers_follows_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, workers in ((1, 0), (4, 3), (64, 8)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=cores: set(range(n)), raising=False)
        assert default_workers() == workers
        assert Indices().num_workers == workers


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_workers": -1}])
def test_impossible_options_are_named(options: dict) -> None:
    (name, value) = next(iter(options.items()))
    with pytest.raises(ConfigError, match=f"{name}={value} must be"):
        Indices(**options)


def test_data_before_setup_say_what_to_call() -> None:
    data = Indices()
    for attribute in ("train_dataloader", "val_dataloader", "predict_dataloader"):
        with pytest.raises(ConfigError, match="call setup"):
            getattr(data, attribute)()
    with pytest.raises(ConfigError, match=r"setup\('fit'\)"):
        _ = data.train_size


def resumed(*, batch_size: int, samples: int = 8) -> Indices:
    """Data that go on in epoch 2, of which batches of 4 have been seen."""
    data = Indices(batch_size=batch_size, num_workers=0, seed=1)
    data.setup("fit")
    data.load_state_dict({"epoch": 2, "samples": samples, "batch": 4, "bad_images": ["a.jpg"]})
    return data


def test_data_go_on_within_an_epoch() -> None:
    whole = Indices(batch_size=4, num_workers=0, seed=1)
    whole.setup("fit")
    loader = whole.train_dataloader()
    loader.sampler.set_epoch(2)
    expected = [batch["index"].tolist() for batch in loader]
    data = resumed(batch_size=4, samples=4)
    assert [batch["index"].tolist() for batch in data.train_dataloader()] == expected[1:]
    assert len(data.train_dataloader()) == len(expected)  # as the trainer counts
    assert data.bad_images.messages == ["a.jpg"]


def test_within_an_epoch_batches_keep_their_size() -> None:
    with refuses(ConfigError, "4 images", "2"):
        resumed(batch_size=2).train_dataloader()
    assert len(resumed(batch_size=2, samples=0).train_dataloader()) == 5  # between two epochs


def test_without_a_trainer_data_stand_at_the_start() -> None:
    state = Indices(batch_size=4).state_dict()
    assert state == {"epoch": 0, "samples": 0, "batch": 4, "bad_images": []}


# Preprocessing


def write_data(kind: str, root: Path) -> DataModule:
    """A datamodule of each kind that reads image files, of images that are no squares."""
    if kind == "classification":
        for split in ("train", "val"):
            for label in ("ant", "bee"):
                path = root / split / label / "0.png"
                path.parent.mkdir(parents=True)
                Image.fromarray(texture(50, 70)).save(path)
        return ImageFolder(
            root=str(root), image_size=32, crop=0.8, crop_mode="squash", num_workers=0
        )
    if kind == "detection":
        write_tiny_coco(root, images=2)
        return COCO(root=str(root), cache_dir=None, short_side=30, antialias=False, num_workers=0)
    write_mask_folder(root)
    return MaskFolder(root=str(root), short_side=18, long_side=100, antialias=False, num_workers=0)


TRANSFORMS = {
    "classification": EvalTransform,
    "detection": DetectionEvalTransform,
    "segmentation": SegmentationEvalTransform,
}


@pytest.mark.parametrize("kind", list(TRANSFORMS))
def test_a_transform_built_again_from_its_options_gives_the_same(kind: str, tmp_path: Path) -> None:
    data = write_data(kind, tmp_path / "data")
    options = json.loads(json.dumps(data.preprocessing))
    assert options == data.preprocessing
    again = TRANSFORMS[kind](**options)
    data.setup("validate")
    sample = data.val_dataset[0]["image"]
    data.val_dataset.transform = again
    assert again is not data.eval_transform
    assert torch.equal(data.val_dataset[0]["image"], sample)


def test_data_without_a_transform_have_no_options() -> None:
    assert Indices().preprocessing is None


def test_digits_are_a_whole_square() -> None:
    data = Digits(image_size=24)
    again = EvalTransform(**data.preprocessing)
    data.setup("validate")
    image = data.val_dataset[0]["image"]
    assert torch.equal(again(image), image)
