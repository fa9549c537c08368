"""Shards of images with a label each, `KEY.cls` or a field of `KEY.json`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vision.data.shards.contents import About, Contents
from vision.data.shards.forms import IMAGE, JSON, Form, Members
from vision.documents.json_text import parse_json
from vision.errors import ConfigError, DataError, suggest

# Suffix of a member with the number or the name of a class.
LABEL = "cls"
_LONGEST_LABEL = 1 << 20  # bytes


class Labelled(Contents):
    """Images with a label.

    Args:
        paths: The files of the images.
        labels: int64 `(N,)`.
        about: What all samples have in common.
    """

    def __init__(self, paths: Sequence[str], labels: np.ndarray, about: About) -> None:
        self.paths = paths
        self.labels = labels
        self.about = about

    def members(self, sample: int) -> dict[str, bytes]:
        """The number of the class."""
        return {LABEL: str(self.labels[sample]).encode()}

    def state(self) -> bytes:
        """The labels."""
        return self.labels.tobytes()


class ClassificationForm(Form):
    """A label for each image."""

    datamodule = "ImageShards"
    expected = f"KEY.{LABEL} or KEY.{JSON}"
    place = np.dtype([*IMAGE, ("label", "<i4")])

    def splits(self, data: Any) -> list[str]:
        """The splits; `test` only if it has other images than `val`."""
        data.setup("fit")
        data.setup("test")
        found = [getattr(data, f"{split}_dataset") for split in ("train", "val", "test")]
        if not all(hasattr(dataset, "paths") for dataset in found):
            raise ConfigError(
                f"{type(data).__name__} does not read files of images: shards are made of "
                "ImageFolder, ImageNet and the datasets for detection and segmentation."
            )
        _, val, test = ([*dataset.paths] for dataset in found)
        return ["train", "val", *(["test"] if test != val else [])]

    def contents(self, data: Any, split: str) -> Contents:
        """The images and labels of a split."""
        dataset = getattr(data, f"{split}_dataset")
        return Labelled(dataset.paths, dataset.labels, About(tuple(data.class_names), data.kind))

    def details(self, members: Members, field: str) -> tuple[int | str, ...]:
        """The label as it is written, a number or a name."""
        suffix = next((suffix for suffix in (LABEL, JSON) if suffix in members.places), None)
        if suffix is None:
            raise DataError(
                f"sample '{members.where}' has no label: expected {members.key}.{LABEL} with a "
                f"number or the name of a class, or .{JSON} with the field '{field}'."
            )
        where = f"'{members.where}.{suffix}'"
        if (size := members.places[suffix][1]) > _LONGEST_LABEL:
            raise DataError(f"{where} is not a label: it has {size:,} bytes.")
        try:
            text = members.read(suffix).decode()
            contents = parse_json(text, "it") if suffix == JSON else {field: text.strip()}
            label = contents[field]
        except KeyError:
            raise DataError(
                f"{where} has no field '{field}'.{suggest(field, contents)} Name the field with "
                "the label: --field NAME."
            ) from None
        except (ValueError, TypeError) as error:
            raise DataError(f"{where} cannot be read as a label: {error}.") from error
        if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
            raise DataError(
                f"{where} is not a label: expected a number or the name of a class, got {label!r}."
            )
        return (str(label),)
