"""Pascal VOC, in the layout of the official development kit."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np

from vision.annotations.voc import plain_name, read_annotation
from vision.data.base.annotation_files import AnnotationFiles, Reading, Report
from vision.data.base.detection import BoxOptions, Split
from vision.data.files.finding import IMAGE_SUFFIXES, require_folder
from vision.data.formats.voc import EXPECTED, devkit_folder, read_names
from vision.data.images.sizes import read_sizes
from vision.data.index.builder import IndexBuilder
from vision.documents.class_table import class_table
from vision.errors import ConfigError
from vision.keywords import Unpack


class VOC(AnnotationFiles):
    """Pascal VOC 2007 and 2012, or any dataset in their format; only boxes.

    "The PASCAL Visual Object Classes (VOC) Challenge", Everingham et al., 2010. `root` is
    `VOCdevkit`, or the folder above it; it has `VOC2007` and `VOC2012` with `JPEGImages`,
    `Annotations` and `ImageSets/Main`. By default the trainval sets of both years are trained on
    and the test set of 2007, the only one whose annotations were published, is evaluated: "07+12",
    16,551 and 4,952 images.

    Boxes count pixels from 1 and include the last one; here they are `(x1 - 1, y1 - 1, x2, y2)`.
    Images are numbered from 1 in the order of the sets, and the category ids are 1 to K.

    Objects marked as difficult are neither counted nor punished by VOC's protocol (section 4.2 of
    the paper). COCO's format has two marks for that, but pycocotools reads only `iscrowd` and
    overwrites `ignore` with it; so they become crowd regions: they are ignored in training, they
    are not misses when not found, and any number of detections there are not false positives.
    One thing differs: the overlap with a crowd region is the share of the detection, not the IoU,
    so that a detection of a part is ignored too. `difficult: true` makes them ordinary objects.
    With `evaluation: voc` average precision is measured by VOC's own protocol as well.

    Args:
        root: The folder `VOCdevkit`, or the folder above it.
        train_sets: Image sets that are trained on: `"2007/trainval"` is
            `VOC2007/ImageSets/Main/trainval.txt`; `"trainval"` is `ImageSets/Main/trainval.txt` in
            `root` itself.
        val_sets: Image sets for validation.
        test_sets: Image sets for testing; None tests `val_sets`.
        classes: Names of the classes, by label; None is the 20 of VOC.
        difficult: Whether objects marked as difficult count like the others.
        evaluation: Whose rules detections are evaluated by: COCO's, or those of VOC beside them.
        **options: Other keywords of `DetectionData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        train_sets: Sequence[str] = ("2007/trainval", "2012/trainval"),
        val_sets: Sequence[str] = ("2007/test",),
        test_sets: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        difficult: bool = False,
        evaluation: Literal["coco", "voc"] = "coco",
        predict_root: str | os.PathLike[str] | None = None,
        **options: Unpack[BoxOptions],
    ) -> None:
        super().__init__(root=root, predict_root=predict_root, masks=False, **options)
        self.sets: dict[str, tuple[str, ...]] = {"train": tuple(train_sets), "val": tuple(val_sets)}
        if test_sets is not None:
            self.sets["test"] = tuple(test_sets)
        for split, sets in self.sets.items():
            if not sets or any(name.count("/") > 1 for name in sets):
                raise ConfigError(
                    f"{split}_sets={list(sets)} must be image sets such as 2007/trainval."
                )
        self._classes = (
            class_table("voc").classes[1:] if classes is None else tuple(map(plain_name, classes))
        )
        if not all(self._classes) or len({*self._classes}) < max(1, len(self._classes)):
            raise ConfigError(f"classes={list(self._classes)} must be names, each of them once.")
        self.difficult = difficult
        self.evaluation = evaluation

    @property
    def class_names(self) -> tuple[str, ...]:
        """The 20 names of VOC, or `classes`."""
        return self._classes

    @property
    def category_ids(self) -> np.ndarray:
        """1 to K: int64 `(K,)`."""
        return np.arange(1, len(self._classes) + 1)

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that have image sets."""
        return ("train", "val", "test") if "test" in self.sets else ("train", "val")

    @property
    def test_split(self) -> Split:
        """The test sets, or the validation sets without them."""
        return "test" if "test" in self.sets else "val"

    @cached_property
    def folder(self) -> Path:
        """The folder of the years.

        Raises:
            DataError: There is no such folder.
        """
        return devkit_folder(self.root)

    def read_split(self, split: Split, report: Report, report_image: Report) -> Reading:
        """Read the XML files of a split's images.

        Args:
            split: The split.
            report: Called with each file or object that is wrong, which is then left out.
            report_image: Called with each image that is absent, or whose size is not stated and
                cannot be read.

        Raises:
            DataError: A folder or an image set is absent.
        """
        builder = IndexBuilder(self.folder, self.class_names, self.category_ids.tolist())
        degenerate = 0
        for image, xml in self._files(split, report):
            measured = partial(_measure, image, report_image)
            annotation = read_annotation(
                xml, self.class_names, report, clip=self.clip_boxes, measure=measured
            )
            if not os.path.exists(image):
                report_image(f"there is no image '{image}' for '{xml}'.")
            degenerate += annotation.dropped
            builder.add(
                image,
                annotation.size,
                labels=annotation.classes,
                boxes=annotation.boxes,
                crowd=None if self.difficult else annotation.difficult,
            )
        return Reading(builder.build(), {"degenerate": degenerate}, 0)

    def looked_at(self, split: Split) -> str:
        """The folders of the XML files of a split."""
        years = [name.rpartition("/")[0] for name in self.sets[split]]
        folders = [self.folder / (f"VOC{year}" if year else "") / "Annotations" for year in years]
        return " and ".join(f"'{folder}'" for folder in dict.fromkeys(folders))

    def _files(self, split: Split, report: Report) -> Iterator[tuple[str, str]]:
        """Image and XML file of each name in a split's sets."""
        seen: set[tuple[Path, str]] = set()
        for image_set in self.sets[split]:
            year, _, name = image_set.rpartition("/")
            folder = self.folder / f"VOC{year}" if year else self.folder
            require_folder(folder, EXPECTED)
            require_folder(folder / "JPEGImages", EXPECTED)
            images = _by_name(folder / "JPEGImages")
            for stem in read_names(folder, name):
                if (folder, stem) in seen:
                    report(f"image set '{image_set}' names '{stem}', which is already listed.")
                    continue
                seen.add((folder, stem))
                image = images.get(stem, f"{stem}.jpg")
                yield (
                    str(folder / "JPEGImages" / image),
                    str(folder / "Annotations" / f"{stem}.xml"),
                )


def _by_name(folder: Path) -> dict[str, str]:
    """File names of the images of a folder by their stems; the official ones end in .jpg."""
    names = (os.path.splitext(entry.name) for entry in os.scandir(folder))
    return {stem: stem + suffix for stem, suffix in names if suffix.lower() in IMAGE_SUFFIXES}


def _measure(image: str, report: Report) -> tuple[int, int]:
    """Height and width of an image from its header; (0, 0) if it is absent or broken."""
    if not os.path.exists(image):
        return 0, 0
    height, width = read_sizes([image], report)[0].tolist()
    return height, width
