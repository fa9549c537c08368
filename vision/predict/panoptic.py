"""Prediction of panoptic segmentation: objects and regions, each pixel in at most one."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vision.backbones.base import MIN_SIDE
from vision.contracts.segments import SegmentInfo
from vision.data.loading.collate_panoptic import collate_panoptic
from vision.data.transforms.panoptic import DecodedSegments, PanopticEvalTransform
from vision.draw.panoptic import Segmented, draw_segments
from vision.draw.regions import OPACITY
from vision.draw.segmentation import class_palette
from vision.ops.panoptic_writing import (
    categories_of,
    segment_boxes,
    write_panoptic,
    write_segment_ids,
)
from vision.predict.options import PredictOptions
from vision.predict.predictor import LoadedModel, Predictor, Seen, stored_transform
from vision.predict.results import (
    Result,
    category_of,
    encode_mask,
    import_optional,
    name_of,
    to_picture,
)

if TYPE_CHECKING:
    from PIL.Image import Image

TABLE = "panoptic.json"
# Folder of the PNG files: the name of the table without its suffix, as the format's authors do.
SEGMENTS = "panoptic"


@dataclass(kw_only=True, eq=False, repr=False)
class PanopticResult(Result):
    """The segments of an image: objects that can be counted, and regions of other classes.

    Attributes:
        mask: int32 `(H, W)` segment id in the size of the original image, 0 for none.
        segments: The segments by id, each with `id`, `category_id` (class index) and `isthing`.
        palette: uint8 `(K, 3)` RGB colour of each class.
    """

    mask: Tensor
    segments: list[SegmentInfo]
    palette: np.ndarray

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def label_names(self) -> list[str]:
        """Name of the class of each segment."""
        return [name_of(self.names, one["category_id"]) for one in self.segments]

    def plot(self, *, opacity: float = OPACITY, names: bool = True) -> "Image":
        """Draw the image with the segments, each in a shade of the colour of its class.

        Args:
            opacity: Opacity of the colours, in [0, 1].
            names: Whether to write names; a small image is enlarged for them.
        """
        found = Segmented(self.mask, self.segments)
        return to_picture(
            draw_segments(
                self.image,
                found,
                class_names=self._known_names(),
                palette=self.palette,
                opacity=opacity,
                names=names,
            )
        )

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` and `segments`.

        Each segment has `id` in `mask`, `label`, `name`, `isthing`, `area` in pixels, `box`
        `[x1, y1, x2, y2]` and, with masks, `segmentation` `{"size": [H, W], "counts": str}`.
        """
        measured = segment_boxes(self.mask.numpy(), [one["id"] for one in self.segments])
        segments = []
        for one, name, (area, (x, y, width, height)) in zip(
            self.segments, self.label_names, measured, strict=True
        ):
            line: dict[str, Any] = {
                "id": one["id"],
                "label": one["category_id"],
                "name": name,
                "isthing": one["isthing"],
                "area": area,
                "box": [x, y, x + width, y + height],
            }
            if masks:
                line["segmentation"] = encode_mask(self.mask == one["id"])
            segments.append(line)
        return {**self._head(), "segments": segments}

    def to_coco(
        self, image_id: int | None = None, category_ids: list[int] | None = None
    ) -> list[dict[str, Any]]:
        """The entry of the image in `annotations` of COCO's panoptic format, as a list of one.

        Its PNG file is written by `save_segments`; `save_coco` writes both.
        """
        number = self.index if image_id is None else image_id
        found = self.to_dict(masks=False)["segments"]
        return [coco_annotation(found, number, f"{self._stem}.png", category_ids)]

    def save_segments(self, path: str | Path) -> Path:
        """Write the segment ids as a PNG file of COCO's panoptic format.

        Args:
            path: The file, in an existing folder; an id is R + 256 G + 65,536 B.

        Raises:
            DataError: The file cannot be written.
        """
        write_segment_ids(path, self.mask.numpy())
        return Path(path)

    def save_coco(
        self,
        folder: str | Path,
        *,
        image_id: int | None = None,
        category_ids: list[int] | None = None,
    ) -> Path:
        """Write `panoptic.json` and the PNG file in `panoptic`.

        `vision evaluate panoptic` reads them.

        Args:
            folder: Where they are written; created if absent.
            image_id: As in `to_coco`.
            category_ids: As in `to_coco`.

        Returns:
            The JSON file.

        Raises:
            DataError: A file cannot be written.
        """
        (entry,) = self.to_coco(image_id, category_ids)
        place = Path(folder) / SEGMENTS
        place.mkdir(parents=True, exist_ok=True)
        self.save_segments(place / entry["file_name"])
        height, width = self.size
        name = PurePath(self.path).name if self.path else entry["file_name"]
        size = {"height": height, "width": width}
        things = {one["category_id"] for one in self.segments if one["isthing"]}
        write_panoptic(
            Path(folder) / TABLE,
            [entry],
            images=[{"id": entry["image_id"], "file_name": name, **size}],
            categories=categories_of(self._known_names(), things, category_ids),
        )
        return Path(folder) / TABLE

    def to_supervision(self) -> Any:
        """`supervision.Detections`: a mask per segment, with its bounding box."""
        supervision = import_optional("supervision", extra="supervision")
        found = self.to_dict(masks=False)["segments"]
        masks = [(self.mask == one["id"]).numpy() for one in self.segments]
        return supervision.Detections(
            xyxy=np.array([one["box"] for one in found], np.float32).reshape(-1, 4),
            mask=np.array(masks, bool).reshape(-1, *self.mask.shape),
            class_id=np.array([one["label"] for one in found], dtype=np.int64),
            data={"class_name": np.array(self.label_names, dtype=str)},
        )

    def labels_found(self) -> list[str]:
        """The class of each object, and of each region once."""
        return self.label_names

    @property
    def _stem(self) -> str:
        return f"{self.index:06}" if self.path is None else PurePath(self.path).stem

    def _known_names(self) -> tuple[str, ...]:
        return self.names or tuple(str(label) for label in range(len(self.palette)))

    def _summary(self) -> str:
        pairs = zip(self.segments, self.label_names, strict=True)
        things = Counter(name for one, name in pairs if one["isthing"])
        pairs = zip(self.segments, self.label_names, strict=True)
        stuff = [name for one, name in pairs if not one["isthing"]]
        return ", ".join([*(f"{n} {name}" for name, n in things.items()), *stuff]) or "no segments"


def coco_annotation(
    segments: Iterable[Mapping[str, Any]],
    image_id: int,
    file_name: str,
    category_ids: Sequence[int] | None,
) -> dict[str, Any]:
    """Convert the `segments` of `PanopticResult.to_dict` to an entry in COCO's panoptic format."""
    numbers = None if category_ids is None else list(category_ids)
    entries = []
    for one in segments:
        x1, y1, x2, y2 = one["box"]
        entries.append(
            {
                "id": one["id"],
                "category_id": category_of(one["label"], numbers),
                "area": one["area"],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": 0,
            }
        )
    return {"image_id": image_id, "file_name": file_name, "segments_info": entries}


class PanopticPredictor(Predictor):
    """Predicts segments; the result for an image does not depend on what else is in the batch."""

    collate = staticmethod(collate_panoptic)
    table = TABLE
    beside = (SEGMENTS,)
    untiled = (
        "whose segments would be cut at the edges of tiles, and nothing says which parts are one "
        "object"
    )

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self.transform = stored_transform(model, PanopticEvalTransform)
        task: Any = model.task
        own = model.description["palette"] or task.palette
        self.palette = class_palette(task.num_classes) if own is None else np.array(own, np.uint8)

    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        """The resized image, and what it is padded to."""
        changed = self.transform.change(DecodedSegments(image, None))
        sample: dict[str, Any] = {
            "image": changed.image,
            "original_size": torch.tensor(changed.original_size),
            "path": path or "",
        }
        canvas = self.transform.canvas
        height, width = changed.image.shape[1:]
        if canvas is None and min(height, width) < MIN_SIDE:
            # Backbones accept no smaller image.
            canvas = max(height, MIN_SIDE), max(width, MIN_SIDE)
        if canvas is not None:
            sample["canvas"] = torch.tensor(canvas)
        return sample

    def group_of(self, sample: Mapping[str, Any]) -> Hashable:
        """Whether it is padded: a batch says so of all its images or of none."""
        return "canvas" in sample

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> PanopticResult:
        """The segments of an image."""
        return PanopticResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            mask=prediction["mask"],
            segments=prediction["segments"],
            palette=self.palette,
        )

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write the segment ids as PNG; the line names the file."""
        assert isinstance(result, PanopticResult), "of the same kind"
        file = folder / SEGMENTS / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        result.save_segments(file)
        line = result.to_dict(masks=False)
        return {**line, "mask": file.relative_to(folder).as_posix()}

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write the results in COCO's panoptic format, as `vision evaluate panoptic` reads them."""
        images = []

        def annotations() -> Iterator[dict[str, Any]]:
            for line in lines:
                number, (height, width) = ids[line["image"]], line["size"]
                size = {"height": height, "width": width}
                images.append({"id": number, "file_name": line["image"], **size})
                name = PurePath(line["mask"]).relative_to(SEGMENTS).as_posix()
                yield coco_annotation(line["segments"], number, name, category_ids)

        task: Any = self.model.task
        names = self.names or [str(label) for label in range(len(category_ids))]
        categories = categories_of(names, task.things or (), category_ids)
        write_panoptic(path, annotations(), images=images, categories=categories)
