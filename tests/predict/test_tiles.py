"""Tiles: where they lie, and objects found once each, by a detector that sees colours."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_predict import PREPROCESSING, tiny_model

from vision.ops.boxes import box_iou
from vision.predict.model import Model
from vision.predict.options import PredictOptions
from vision.predict.tiles import FoundObjects, Tile, cut_tiles, join_tiles

# Objects of a mosaic of 200 x 300 pixels: (x1, y1, x2, y2), class. Cut by tiles of 80: the 2nd at
# one border, the 3rd at a corner; the 4th is larger than an overlap, the 5th larger than a tile.
OBJECTS = [
    ((8, 8, 30, 26), 0),
    ((70, 20, 86, 40), 1),
    ((56, 52, 82, 84), 0),
    ((100, 100, 158, 128), 1),
    ((170, 20, 290, 190), 2),
    ((20, 150, 60, 190), 2),
]


def mosaic() -> torch.Tensor:
    image = torch.zeros(3, 200, 300, dtype=torch.uint8)
    for (x1, y1, x2, y2), label in OBJECTS:
        image[label, y1:y2, x1:x2] = 255
    return image


class SeesColours:
    """Finds the largest extent of each connected object of pure colour, and its mask."""

    kind = "detection"

    def __init__(self, masks: bool) -> None:
        self.masks = masks

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        return batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch

    def predict_step(self, batch: Any, batch_idx: int) -> list[dict[str, Any]]:
        from scipy import ndimage

        found = []
        for image, size, original in zip(
            batch["image"], batch["size"].tolist(), batch["original_size"].tolist(), strict=True
        ):
            boxes, labels, masks = [], [], []
            for label in range(3):
                regions, _ = ndimage.label(image[label, : size[0], : size[1]].numpy() > 127)
                for i, (rows, columns) in enumerate(ndimage.find_objects(regions), start=1):
                    boxes.append([columns.start, rows.start, columns.stop, rows.stop])
                    labels.append(label)
                    masks.append(torch.from_numpy(regions == i))
            scale = torch.tensor([original[1] / size[1], original[0] / size[0]]).repeat(2)
            one: dict[str, Any] = {
                "boxes": torch.tensor(boxes).float().reshape(-1, 4) * scale,
                "labels": torch.tensor(labels, dtype=torch.int64),
                "scores": torch.full((len(boxes),), 0.9),
            }
            if self.masks:
                whole = torch.stack(masks) if masks else torch.zeros(0, *size, dtype=torch.bool)
                resized = torch.nn.functional.interpolate(
                    whole[None].float(), size=original, mode="nearest"
                )
                one["masks"] = resized[0] > 0.5
            found.append(one)
        return found


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Model:
    model = tiny_model("detection")
    model.description["preprocessing"] = {"short_side": 80, "long_side": 120}
    seer: Any = SeesColours(masks=getattr(request, "param", True))
    object.__setattr__(model, "task", _with_parameters(seer, model.task))
    return model


def _with_parameters(seer: Any, task: Any) -> Any:
    seer.parameters, seer.preprocessing = task.parameters, None
    return seer


@pytest.mark.parametrize("model", [True, False], indirect=True)
@pytest.mark.parametrize("whole_view", [True, False])
@pytest.mark.parametrize("overlap", [0.2, 0.5])
def test_objects_of_a_mosaic_are_found_once_each(
    model: Model, whole_view: bool, overlap: float
) -> None:
    result: Any = model.predict_image(mosaic(), tile=80, overlap=overlap, whole_view=whole_view)
    assert len(result) == len(OBJECTS)
    truth = torch.tensor([box for box, _ in OBJECTS]).float()
    overlaps = box_iou(truth, result.boxes)
    best = overlaps.argmax(dim=1)
    assert sorted(best.tolist()) == list(range(len(OBJECTS)))
    assert (overlaps.amax(dim=1) > 0.85).all()
    assert [int(result.labels[i]) for i in best] == [label for _, label in OBJECTS]
    if result.masks is not None:
        image = mosaic()
        for ((x1, y1, x2, y2), label), place in zip(OBJECTS, best.tolist(), strict=True):
            mask = result.masks[place]
            assert mask.shape == (200, 300)
            # Those of the shrunken image are coarse.
            assert image[label][mask].gt(0).float().mean() > 0.9
            assert mask[y1:y2, x1:x2].float().mean() > 0.9


def test_small_objects_are_exact_without_the_whole_view(model: Model) -> None:
    result: Any = model.predict_image(mosaic(), tile=80, whole_view=False)
    overlaps = box_iou(torch.tensor([box for box, _ in OBJECTS]).float(), result.boxes)
    assert (overlaps.amax(dim=1)[[0, 1, 2, 3, 5]] > 0.999).all()


def test_an_image_in_one_tile_is_as_without() -> None:
    model = tiny_model("detection")
    image = np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    with_tile: Any = model.predict_image(image, tile=(60, 70), threshold=0.0)
    without: Any = model.predict_image(image, threshold=0.0)
    assert len(without) > 10
    assert torch.equal(with_tile.boxes, without.boxes)
    assert torch.equal(with_tile.masks, without.masks)


def test_a_real_model_is_cut_too() -> None:
    model = tiny_model("detection")
    assert model.description["preprocessing"] == PREPROCESSING["detection"]
    result: Any = model.predict_image(mosaic(), tile=128, threshold=0.3)
    assert result.masks.shape == (len(result), 200, 300)
    assert (result.boxes[:, 2:] <= torch.tensor([300, 200])).all()
    assert (result.scores[:-1] >= result.scores[1:]).all()


def test_tiles_cover_the_image() -> None:
    image = torch.zeros(3, 205, 130)
    tiles = cut_tiles(image, PredictOptions(tile=(100, 60), overlap=0.25))
    covered = torch.zeros(205, 130, dtype=torch.int64)
    for tile in tiles[:-1]:
        assert (tile.bottom - tile.top, tile.right - tile.left) == (100, 60)
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
        assert tile.inner == (tile.left > 0, tile.top > 0, tile.right < 130, tile.bottom < 205)
    assert covered.min() >= 1
    assert tiles[-1] == Tile(0, 0, 205, 130, (False,) * 4, whole=True)
    assert not cut_tiles(image, PredictOptions(tile=100, whole_view=False))[-1].whole


def test_nothing_found_is_no_objects() -> None:
    none = FoundObjects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0), [])
    joined = join_tiles([none], [Tile(0, 0, 10, 10, (False,) * 4)])
    assert len(joined.labels) == 0
    assert joined.masks == []
