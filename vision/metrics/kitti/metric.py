"""Average precision of boxes in space over an epoch and over processes, by KITTI's rules."""

from collections.abc import Mapping, Sequence

from vision.annotations.kitti import KittiObjects
from vision.contracts.detection3d import Boxes3DPrediction, Boxes3DTruth
from vision.errors import ConfigError, listed
from vision.metrics.kitti.evaluation import CLASSES, evaluate_objects
from vision.metrics.kitti.objects import found_objects, true_objects
from vision.metrics.kitti.table import KittiScores
from vision.metrics.processes import gather_rows
from vision.options import check_number

# The objects and the detections of images, by number.
Images = Mapping[int, tuple[KittiObjects, KittiObjects]]
# Of float64.
MAX_DECIMALS = 15


class KittiEvaluator:
    """Collects the objects of an epoch and evaluates them once.

    An image that comes twice, because a sampler filled up the share of a process, counts once.

    Args:
        decimals: To which the numbers of detections are rounded, as in KITTI's text. The published
            evaluations read files with two.

    Raises:
        ConfigError: The number is out of its range.
    """

    def __init__(self, *, decimals: int = 2) -> None:
        check_number("decimals", decimals, minimum=0, maximum=MAX_DECIMALS)
        self.decimals = decimals
        self.reset()

    def __len__(self) -> int:
        """Number of images that this process has seen."""
        return len(self._images)

    def reset(self) -> None:
        """Forget all images."""
        self._images: dict[int, tuple[KittiObjects, KittiObjects]] = {}

    def update(
        self, number: int, found: Boxes3DPrediction, truth: Boxes3DTruth, names: Sequence[str]
    ) -> None:
        """Take in an image.

        Args:
            number: Its number in its dataset.
            found: The detections.
            truth: What is annotated.
            names: Name of each class by label.
        """
        if number not in self._images:
            detections = found_objects(found, names, decimals=self.decimals)
            self._images[number] = true_objects(truth), detections

    def gather(self) -> Images:
        """The objects and the detections of the images of all processes, by ascending number.

        Every process must call it; the result is the same on each.
        """
        return gather_rows(self._images)

    def compute(self, trained: Sequence[str]) -> KittiScores:
        """Evaluate the images of all processes; every process must call it.

        Args:
            trained: Names of classes; those of the benchmark are evaluated, in its order.

        Returns:
            The result, the same on every process.

        Raises:
            ConfigError: None of the classes is one of the benchmark.
        """
        names = {name.lower() for name in trained}
        classes = [name for name in CLASSES if name.lower() in names]
        if not classes:
            raise ConfigError(
                f"none of the classes {listed(trained)} has an evaluation; KITTI's benchmark has "
                f"{', '.join(CLASSES)}. Give class_names of the model, or set "
                "trainer.limit_val_batches=0."
            )
        images = self.gather().values()
        return evaluate_objects([one for one, _ in images], [one for _, one in images], classes)
