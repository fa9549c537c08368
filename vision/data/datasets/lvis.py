"""LVIS v1: 1,203 categories, most of them rare, on the images of COCO."""

from collections.abc import Mapping
from typing import ClassVar

from vision.annotations.coco_kinds import Kind
from vision.data.datasets.coco import COCO


class LVIS(COCO):
    """LVIS v1 by its root, or any dataset in LVIS' format by paths.

    "LVIS: A Dataset for Large Vocabulary Instance Segmentation", Gupta et al., 2019, arXiv
    1908.03195. 100,170 training and 19,809 validation images of COCO 2017, which are found by the
    end of `coco_url`: validation has images of `train2017` too, so that the folder of the images is
    the one that holds both. Labels number the categories by ascending id: 0..1202 for the ids 1..
    1203, as in published weights.

    An image was checked for some categories only: for those that are annotated in it and those in
    its `neg_category_ids`; of those in `not_exhaustive_category_ids` not every instance is marked.
    Training reads objects alone, as the published recipes do. The evaluation reads these lists and
    the `frequency` of each category from the annotation file.

    There are no crowd regions. The test labels were never published: the validation set is tested.
    """

    expected = (
        "Expected ROOT/annotations/lvis_v1_{train,val}.json and the images of COCO 2017, "
        "ROOT/{train,val}2017/*.jpg (and ROOT/annotations/lvis_v1_image_info_test_dev.json and "
        "ROOT/test2017/*.jpg); or, for any files in LVIS' format, set train_annotations and "
        "train_images, and val_ likewise."
    )
    reads: ClassVar[Kind] = "lvis"
    evaluation = "lvis"
    layout: ClassVar[Mapping[str, tuple[str, str]]] = {
        "train": ("annotations/lvis_v1_train.json", ""),
        "val": ("annotations/lvis_v1_val.json", ""),
        "predict": ("annotations/lvis_v1_image_info_test_dev.json", ""),
    }
