"""The TensorBoard log of a run; its failures do not end the run."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger

from vision.decoration import Decoration


class TensorBoardLog(TensorBoardLogger):
    """Lightning's logger; failed writes only give a warning.

    Args:
        folder: Folder of the run: its two last parts are name and version.
        resumed_step: Optimiser steps that a resumed run has behind it; what was logged after them
            is dropped. 0 for a new run.
    """

    def __init__(self, folder: Path, *, resumed_step: int = 0) -> None:
        super().__init__(
            save_dir=folder.parent.parent,
            name=folder.parent.name,
            version=folder.name,
            default_hp_metric=False,
            purge_step=resumed_step or None,
        )
        self._guard = Decoration("the log for TensorBoard")

    def log_hyperparams(
        self,
        params: dict[str, Any] | Namespace,
        metrics: dict[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        """Write the options of task and data."""
        with self._guard:
            super().log_hyperparams(params, metrics, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write the metrics of a step."""
        with self._guard:
            super().log_metrics(metrics, step)

    def save(self) -> None:
        """Flush the buffer."""
        with self._guard:
            super().save()

    def finalize(self, status: str) -> None:
        """Flush the buffer, and close."""
        with self._guard:
            super().finalize(status)
