"""What maps of surface normals hold: whether they point to the camera."""

import numpy as np

from vision.data.check.dense_problems import MapFacts, Note
from vision.data.transforms.dense_targets import DenseTargets
from vision.errors import DataError

# Visible surfaces face the camera; a few normals are off by noise and smoothing.
MIN_FACING = 0.5


class NormalsFacts(MapFacts):
    """Collects the direction of normals."""

    what = "normal maps"

    def look(self, targets: DenseTargets, path: str) -> Note:
        """What a map holds: the share of its normals that point to the camera."""
        normals = targets.normals
        assert normals is not None
        known = (normals != 0).any(axis=0)
        valid = int(known.sum())
        numbers = {"facing": float(np.mean(normals[2][known] < 0))} if valid else {}
        return Note(path, known.size, valid, numbers)

    def describe(self) -> str:
        """The share of pixels with a normal, and of those that point to the camera."""
        share = f"{self.share():.1%} of the pixels"
        return f"{share}, {self._facing():.1%} of them point to the camera"

    def require_plausible(self) -> None:
        """Raise an error for another frame.

        Raises:
            DataError: Most normals point away from the camera.
        """
        if self._facing() < MIN_FACING:
            raise DataError(
                f"only {self._facing():.0%} of the normals in the {len(self.notes)} maps that were "
                f"read, such as {self.named()}, point to the camera; expected nearly all: x is to "
                "the right, y down and z into the scene, so that z is negative. Say which axes of "
                "the files have the other sign: data.negate, such as [z] or [y, z]."
            )

    def _facing(self) -> float:
        notes = self.valid_notes()
        return sum(note.numbers["facing"] * note.valid for note in notes) / sum(
            note.valid for note in notes
        )
