"""Epochs of optimiser steps, for runs whose course is known."""

import numpy as np
import pytest

from vision.draw.epochs import Epochs, epochs_of


def row(step: object, epoch: object, **values: object) -> dict[str, str]:
    return {"step": str(step), "epoch": str(epoch), **{k: str(v) for k, v in values.items()}}


def test_epochs_of_23_steps_end_with_their_validations() -> None:
    rows = []
    for epoch in range(3):
        rows += [row(23 * epoch + step, epoch, **{"train/loss": 1}) for step in (9, 19)]
        rows.append(row(23 * epoch + 22, epoch, **{"val/top1": 0.5}))
    epochs = epochs_of(rows)
    assert epochs is not None
    np.testing.assert_allclose(epochs.at([22, 45, 68]), [1, 2, 3])
    np.testing.assert_allclose(epochs.at([0, 11, 34]), [1 / 23, 12 / 23, 1 + 12 / 23])
    # A fourth epoch that was stopped goes on at the same pace.
    np.testing.assert_allclose(epochs.at([68 + 10]), [3 + 10 / 23])


def test_a_validation_of_every_second_epoch_is_enough() -> None:
    epochs = epochs_of([row(19, 1, **{"val/loss": 1}), row(39, 3, **{"val/loss": 1})])
    assert epochs is not None
    np.testing.assert_allclose(epochs.at([9, 19, 29, 39]), [1, 2, 3, 4])


def test_without_validations_the_last_rows_of_epochs_count() -> None:
    epochs = epochs_of([row(4, 0, lr=1), row(9, 0, lr=1), row(19, 1, lr=1)])
    assert epochs is not None
    np.testing.assert_allclose(epochs.at([9, 14, 19]), [1, 1.5, 2])


@pytest.mark.parametrize(
    "rows",
    [[], [{"step": "9"}], [row("", 0), row(9, "")], [row(9, 0, lr=1), row(3, 1, lr=1)]],
    ids=["none", "no epochs", "torn", "two runs"],
)
def test_what_is_not_known_is_not_guessed(rows: list[dict[str, str]]) -> None:
    assert epochs_of(rows) is None


def test_epochs_that_were_not_logged_are_skipped() -> None:
    assert Epochs.of([9.0, 19.0], [None, None]) is None
