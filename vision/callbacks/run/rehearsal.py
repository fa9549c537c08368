"""Check before the first epoch that the metrics that callbacks wait for are logged."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from vision.errors import ConfigError, suggest


class Rehearsal(Callback):
    """Compares callbacks with the metrics that the sanity check logs before training.

    A trainer evaluates `num_sanity_val_steps` batches first, from reading to the metrics, so
    errors of an evaluation appear then; weights, averages, statistics and random numbers stay
    unchanged. Here callbacks that follow a metric (`ModelCheckpoint`, `EarlyStopping`) are compared
    with the names that were logged.
    """

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the names.

        Raises:
            ConfigError: A metric of the validation that a callback follows is not among them.
        """
        logged = sorted(trainer.callback_metrics)
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks:
            name = getattr(callback, "monitor", None)
            # Metrics of the training are not there yet.
            if isinstance(name, str) and not name.startswith("train/") and name not in logged:
                raise ConfigError(
                    f"{type(callback).__name__} follows the metric '{name}', which the validation "
                    f"does not log.{suggest(name, logged)} It logs {', '.join(logged)}."
                )
