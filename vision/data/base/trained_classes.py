"""The base of datasets of which a part of the classes is learned."""

from collections.abc import Sequence

import numpy as np

from vision.data.base.classes import ClassData
from vision.errors import ConfigError, suggest


class TrainedClassData(ClassData):
    """A dataset of which some classes are learned; of several bases this one comes first.

    Attributes:
        trained: Names of the classes that are learned; None for all.
    """

    trained: Sequence[str] | None

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Names of the classes that are learned, in the order of all classes.

        Raises:
            ConfigError: `trained` has none, or one that the dataset lacks.
        """
        names = self.class_names
        if self.trained is None:
            return names
        unknown = [name for name in self.trained if name not in names]
        if unknown or not self.trained:
            what = f"the class {unknown[0]!r}" if unknown else "no class"
            near = suggest(unknown[0], names) if unknown else ""
            raise ConfigError(
                f"trained has {what}; the classes of the dataset are {', '.join(names)}.{near}"
            )
        return tuple(name for name in names if name in self.trained)

    @property
    def is_trained(self) -> np.ndarray:
        """Which classes are learned, bool `(K,)`."""
        return np.isin(self.class_names, self.trained_names)
