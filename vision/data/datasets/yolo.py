"""Datasets in the layout of YOLO: a `data.yaml`, and a text file of boxes or polygons per image."""

import logging
import math
import os
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from vision.data.base.annotation_files import AnnotationFiles, Reading, Report
from vision.data.base.detection import Split
from vision.data.formats.yolo_forms import Forms
from vision.data.formats.yolo_labels import LineFormat, label_path, orphans, read_labels
from vision.data.formats.yolo_layout import EXPECTED, Layout, read_layout
from vision.data.images.sizes import read_sizes
from vision.data.index.builder import IndexBuilder

logger = logging.getLogger(__name__)


class YOLO(AnnotationFiles):
    """A dataset in the layout of Ultralytics' YOLO.

    `root` holds `data.yaml` with `path`, `train`, `val`, optional `test`, and `names`; the labels
    of `images/.../NAME.jpg` are in `labels/.../NAME.txt`, a line per object: `class cx cy w h`, or
    `class x1 y1 x2 y2 x3 y3 ...` with the corners of a polygon, in shares of the width and height
    of the upright image (https://docs.ultralytics.com/datasets/detect and .../segment). An image
    without a file of labels has no objects.

    Of a pose dataset, which has a `kpt_shape`, only the boxes are read.

    There are masks if every object of a split has a polygon; boxes are clipped to the image.
    Objects without area and repeated lines are left out, with a warning that counts them. Images
    are numbered from 1 in the order of the splits' entries and of their names; category ids are
    the labels.

    Without a test set the validation set is tested; without `predict_root` the test set is
    predicted.

    Args:
        root: The folder of `data.yaml`, or the file itself, with any name.
        **options: Other keywords of `AnnotationFiles`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    @cached_property
    def layout(self) -> Layout:
        """The contents of `data.yaml`.

        Raises:
            DataError: It is absent, or lacks a key.
        """
        return read_layout(self.root)

    @property
    def class_names(self) -> tuple[str, ...]:
        """`names` of `data.yaml`."""
        return self.layout.class_names

    @property
    def category_ids(self) -> np.ndarray:
        """The labels themselves: int64 `(K,)`."""
        return np.arange(len(self.class_names))

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits in `data.yaml`."""
        return tuple(self.layout.splits)

    @property
    def test_split(self) -> Split:
        """The test set, or the validation set where `data.yaml` has no `test`."""
        return "test" if "test" in self.splits else "val"

    def read_split(self, split: Split, report: Report, report_image: Report) -> Reading:
        """Read the labels of a split, and the sizes of its images.

        Args:
            split: The split.
            report: Called with each line of labels that is wrong, which is then left out.
            report_image: Called with each image whose size cannot be read.

        Raises:
            DataError: `data.yaml` or one of the folders that it names is absent.
        """
        images = self.layout.images(split)
        keypoints = math.prod(self.layout.keypoints) if self.layout.keypoints else 0
        lines = LineFormat(
            num_classes=len(self.class_names), keypoints=keypoints, clip=self.clip_boxes
        )
        builder = IndexBuilder(self.layout.folder, self.class_names, self.category_ids.tolist())
        dropped: Counter[str] = Counter()
        forms = Forms()
        for path, size in zip(images, read_sizes(images, report_image), strict=True):
            labels = read_labels(label_path(path), lines, report)
            dropped.update(labels.dropped)
            height, width = size.tolist()
            builder.add(
                path,
                (height, width),
                labels=labels.classes,
                boxes=labels.boxes * (width, height, width, height),
                polygons=[None if p is None else p * (width, height) for p in labels.polygons],
            )
            forms.add(labels)
        problems = [forms.corners_problem()]
        if keypoints:
            logger.info("%s: boxes are read; keypoints (kpt_shape) are not", split)
        elif self.layout.keypoints is not None:
            problems.append(forms.pose_problem())
        for problem in filter(None, problems):
            report(f"'{self.layout.file}', {split}: {problem}")
        return Reading(builder.build(), dict(dropped), builder.outlined)

    def looked_at(self, split: Split) -> str:
        """The files of labels of a split, and how many of them there are."""
        paths = [label_path(image) for image in self.layout.images(split)]
        present = sum(map(os.path.exists, paths))
        return f"'{paths[0]}' and so on ({present:,} of {len(paths):,} such files exist)"

    def split_problems(self, split: Split) -> Iterator[str]:
        """Files of labels without an image."""
        for path in orphans(self.layout.images(split)):
            yield f"'{path}' has labels, but there is no image of that name."
