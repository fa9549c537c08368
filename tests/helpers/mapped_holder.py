"""An object that holds a mapped array, in a module that a spawned process finds by its name.

A test's own module is `tests.data...`, and packages that install a `tests` of theirs come first.
"""

import numpy as np

from vision.data.files.mapped_arrays import PickledByPath, is_mapped


class Holder(PickledByPath):
    def __init__(self, values: np.ndarray, name: str) -> None:
        self.values = values
        self.name = name


def total(holder: Holder) -> tuple[float, bool]:
    return float(holder.values.sum()), is_mapped(holder.values)
