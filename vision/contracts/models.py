"""The description of a model in its file."""

from typing import Any, TypedDict


class ModelDescription(TypedDict):
    """Description of a trained model in its file: plain values from which it is built again.

    Keys:
        version: Version of the suite that wrote it.
        task: Name of the task's class, such as `"Classification"`.
        kind: Name of the task, such as `"classification"`; datasets of that kind fit.
        backbone: Name of the backbone, or of its class where it was given as an object.
        hyper_parameters: Arguments of the task's constructor, with no weights to start from.
        class_names: Name of each class by index; None where they are not known.
        input: Size, mean, std, crop and interpolation that the backbone's weights expect.
        preprocessing: Options of the evaluation transform of the data it was trained on; None
            where these have none.
        palette: The dataset's own colour of each class, `[r, g, b]` in 0..255; None for ours.
        data: Import path of the datamodule; None before a training.
        pretrained: What the training started from, as in `create_backbone`.
        weights: A file that the training started from, or None.
        epoch: Whole epochs of training.
        step: Optimiser steps of training.
        metrics: What the last validation logged, such as `val/top1`.
        averaged: Whether the weights are averages over the training (EMA).
    """

    version: str
    task: str
    kind: str | None
    backbone: str
    hyper_parameters: dict[str, Any]
    class_names: list[str] | None
    input: dict[str, Any]
    preprocessing: dict[str, Any] | None
    palette: list[list[int]] | None
    data: str | None
    pretrained: bool | str
    weights: str | None
    epoch: int
    step: int
    metrics: dict[str, float]
    averaged: bool
