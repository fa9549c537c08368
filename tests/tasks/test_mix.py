"""Mixing of batches: against timm's distribution, and what it does to labels and loss."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback
from timm.data.mixup import Mixup
from timm.loss import SoftTargetCrossEntropy
from torch import Tensor

from vision.data.loading.sampling import EpochSampler
from vision.errors import ConfigError
from vision.losses.classification import ClassificationLoss
from vision.options import read_options
from vision.tasks.mix import BatchMixer, MixSettings, cut_and_paste, sample_share

PUBLISHED = MixSettings(mixup=0.8, cutmix=1.0)
BATCH, CLASSES, SIDE = 8, 10, 16
LABELS = torch.arange(BATCH)


def constant_images() -> Tensor:
    """Image i has the value i everywhere, so that what was mixed can be read off."""
    return torch.arange(BATCH).float().view(-1, 1, 1, 1).expand(-1, 3, SIDE, SIDE).contiguous()


def shares(labels: Tensor) -> Tensor:
    """The share that each image keeps of itself, `(B,)`."""
    return labels.gather(1, LABELS[:, None]).squeeze(1)


def test_labels_tell_what_the_images_hold() -> None:
    mixer = BatchMixer(PUBLISHED, num_classes=CLASSES)
    seen = set()
    for seed in range(40):
        torch.manual_seed(seed)
        images, labels = mixer(constant_images(), LABELS)
        torch.testing.assert_close(labels.sum(dim=1), torch.ones(BATCH))
        # The mean of an image is the expectation of its label: each class has its number for value.
        expected = labels @ torch.arange(CLASSES).float()
        torch.testing.assert_close(images.mean(dim=(1, 2, 3)), expected, rtol=1e-4, atol=1e-4)
        whole = (images == images.round()).all()
        seen.add("cutmix" if whole else "mixup")
    assert seen == {"mixup", "cutmix"}


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({"mixup": 0.8}, {"mixup_alpha": 0.8, "cutmix_alpha": 0.0}),
        ({"cutmix": 1.0}, {"mixup_alpha": 0.0, "cutmix_alpha": 1.0}),
        ({"mixup": 0.8, "cutmix": 1.0, "prob": 0.5}, {"mixup_alpha": 0.8, "prob": 0.5}),
    ],
    ids=str,
)
def test_shares_are_distributed_as_timms(options: dict[str, Any], theirs: dict[str, Any]) -> None:
    draws = 1500
    mixer = BatchMixer(MixSettings(**options), num_classes=CLASSES)
    torch.manual_seed(0)
    mine = []
    for _ in range(draws):
        _, labels = mixer(constant_images(), LABELS)
        mine.append(1.0 if labels.ndim == 1 else shares(labels)[0].item())
    np.random.seed(0)
    timms = Mixup(
        **{"cutmix_alpha": 1.0, **theirs}, label_smoothing=0.0, num_classes=CLASSES, mode="batch"
    )
    other = []
    for _ in range(draws):
        _, labels = timms(constant_images(), LABELS)
        other.append(shares(labels)[0].item())
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        ends = [np.quantile(values, share) for values in (mine, other)]
        assert ends[0] == pytest.approx(ends[1], abs=0.08)
    assert np.mean(mine) == pytest.approx(np.mean(other), abs=0.04)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("size", [8, 7])
def test_partners_are_those_of_the_reversed_batch(kind: str, size: int) -> None:
    mixer = BatchMixer(MixSettings(**{kind: 1.0}), num_classes=CLASSES)
    torch.manual_seed(3)
    _, labels = mixer(constant_images()[:size], LABELS[:size])
    for i in range(size):  # the middle one of seven is its own partner
        assert set(labels[i].nonzero().flatten().tolist()) == {i, size - 1 - i}


@pytest.mark.parametrize(("seed", "share"), [(0, 0.7), (1, 0.0), (2, 0.999), (3, 1.0)])
def test_cutmix_cuts_where_the_published_code_did(seed: int, share: float) -> None:
    """That of timm up to 0.9: of a rectangle of odd sides today's timm keeps one pixel more."""
    images = torch.rand(4, 3, 9, 16, generator=torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    ours, kept = cut_and_paste(images, share)
    torch.manual_seed(seed)
    inside = []
    for length in (9, 16):
        half, centre = int(length * (1 - share) ** 0.5) // 2, int(torch.randint(length, ()))
        inside.append(torch.tensor([centre - half <= i < centre + half for i in range(length)]))
    pasted = inside[0][:, None] & inside[1]
    assert torch.equal(ours, torch.where(pasted, images.flip(0), images))
    assert kept == pytest.approx(1 - pasted.float().mean().item())


def test_the_smallest_parameter_chooses_one_of_two_images() -> None:
    torch.manual_seed(0)
    assert {sample_share(5e-324) for _ in range(40)} == {0.0, 1.0}


def test_repeats_of_an_image_are_not_mixed_with_each_other() -> None:
    batch, repeats = 128, 3
    order = EpochSampler(range(3 * batch), seed=0, repeats=repeats).order()
    mixer = BatchMixer(MixSettings(mixup=0.8), num_classes=3 * batch)
    alone = 0
    for labels in order.split(batch):
        torch.manual_seed(0)
        _, mixed = mixer(torch.zeros(batch, 1, 2, 2), labels)
        alone += int((mixed == 1).any(dim=1).sum())
    # Images 63 and 64 of a batch are partners. In the batches that begin with the first or the
    # second draw of an image they are draws of one image; the batches begin with draws 0, 2 and 1.
    assert alone == 2 * 2
    assert alone / (3 * batch) == pytest.approx(0.0104, abs=1e-4)


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 0.8, 1.0, 8.0])
def test_shares_are_those_of_numpy(alpha: float) -> None:
    """Also of a small parameter, whose variates underflow: CSWin-L is fine-tuned with 0.01."""
    count = 3000
    torch.manual_seed(0)
    mine = np.array([sample_share(alpha) for _ in range(count)])
    other = np.random.default_rng(0).beta(alpha, alpha, count)
    for low, high in [(-1, 1e-3), (0.1, 0.9), (0.4, 0.6), (0.9, 2)]:
        ours, theirs = (((low < x) & (x < high)).mean() for x in (mine, other))
        error = (2 * max(theirs * (1 - theirs), 1e-3) / count) ** 0.5
        assert abs(ours - theirs) < 4 * error, (low, high)


def test_the_loss_of_mixed_labels_with_smoothing_is_timms() -> None:
    logits = torch.randn(BATCH, CLASSES, generator=torch.Generator().manual_seed(0))
    share, smoothing = 0.3, 0.1
    hard = torch.nn.functional.one_hot(LABELS, CLASSES).float()
    mixed = share * hard + (1 - share) * hard.flip(0)
    ours = ClassificationLoss(smoothing)({"logits": logits}, {"label": mixed})["loss_cls"]
    np.random.seed(0)
    timms = Mixup(mixup_alpha=0.8, label_smoothing=smoothing, num_classes=CLASSES)
    timms._params_per_batch = lambda: (share, False)
    _, target = timms(constant_images(), LABELS)
    torch.testing.assert_close(ours, SoftTargetCrossEntropy()(logits, target))


def test_nothing_is_changed_when_all_is_off() -> None:
    images = constant_images()
    mixed, labels = BatchMixer(MixSettings(), num_classes=CLASSES)(images, LABELS)
    assert mixed is images
    assert labels is LABELS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cutmix": float("inf")}, ("mix.cutmix=inf",)),
        ({"mixup": float("nan")}, ("mix.mixup=nan",)),
        ({"mixup": -0.1}, ("mix.mixup=-0.1", "1,000")),
        ({"prob": 1.5}, ("mix.prob=1.5", "0")),
        ({"erasing": -1}, ("mix.erasing=-1",)),
        ({"mixupp": 0.8}, ("mix.mixupp", "'mixup'")),
    ],
)
def test_values_out_of_range_are_named(values: dict[str, float], message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        read_options(MixSettings, values, group="mix")


class Batches(Callback):
    """The batches that training and validation steps were given."""

    def __init__(self) -> None:
        self.train: list[dict[str, Any]] = []
        self.val: list[dict[str, Any]] = []

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        self.train.append(batch)

    def on_validation_batch_start(
        self, trainer: Any, module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.val.append(batch)


def seen_by(folder: Path, seed: int) -> Batches:
    seen = Batches()
    task = tiny_task(mix={"mixup": 0.8, "cutmix": 1.0, "erasing": 0.5})
    torch.manual_seed(seed)
    quiet_trainer(folder, callbacks=[seen], max_epochs=2).fit(task, TinyData())
    return seen


def test_training_batches_are_mixed_and_evaluation_batches_are_not(tmp_path: Path) -> None:
    seen = seen_by(tmp_path, 0)
    assert all(batch["label"].shape == (4, 8) for batch in seen.train)
    assert all(batch["label"].ndim == 1 for batch in seen.val)
    # Of neighbours of one class nothing is seen: the smallest share tells.
    shares = [batch["label"][batch["label"] > 0].min().item() for batch in seen.train]
    assert len(set(shares)) == len(shares)  # drawn again in every step


def test_what_is_drawn_follows_the_seed(tmp_path: Path) -> None:
    first, again, other = (seen_by(tmp_path, seed).train[0]["image"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_checkpoint_holds_the_settings(tmp_path: Path) -> None:
    task = tiny_task(mix=MixSettings(mixup=0.4))
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    trainer.fit(task, TinyData())
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    loaded = type(task).load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True)
    assert loaded.mixer.settings == MixSettings(mixup=0.4)
