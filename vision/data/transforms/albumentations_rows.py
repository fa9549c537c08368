"""Pipelines of albumentations from rows of a config, from its own files, or as objects.

A transform is a name that is looked up in albumentations' own list; nothing is imported by a path,
and albumentations' own deserialisation is not used.
"""

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vision.documents.json_text import read_json
from vision.documents.yaml_text import read_yaml
from vision.errors import ConfigError, MissingPackageError, shown, suggest
from vision.extras import install_line
from vision.options import building
from vision.reading import user_path

OPTION = "augment.albumentations"
EXTRA = "albumentations"
VERSIONS = "2.0."
# How albumentations' own files name a class.
CLASS_KEY = "__class_fullname__"
# Keys of a saved pipeline that concern its outermost `Compose`, whose place ours takes.
_OUTER = {CLASS_KEY, "name", "p", "transforms"}
# Bases, and what takes functions, which no file holds.
_NOT_BY_NAME = {"Lambda", "BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"}
_NOT_BY_NAME |= {"BaseCompose"}
# What changes the type of an image; the model normalises on its device.
_CONVERSIONS = {"Normalize", "ToFloat", "FromFloat", "ToTensorV2", "ToTensor3D"}
# What a transform may ask for besides the image.
_GIVEN = {"image", "mask", "masks", "bboxes"}
EXPECTED = (
    "a list such as [{name: RandomBrightnessContrast, p: 0.3}], a file that A.save wrote (.json or "
    ".yaml), or in Python an A.Compose"
)


def import_albumentations() -> Any:
    """Import albumentations, without its question to the network for the newest version.

    Raises:
        MissingPackageError: It is not installed, or in another version.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations
    except ImportError as error:
        raise MissingPackageError(
            f"{OPTION} needs albumentations ({error}): {install_line(EXTRA)}"
        ) from error
    if not albumentations.__version__.startswith(VERSIONS):
        raise MissingPackageError(
            f"{OPTION} needs albumentations {VERSIONS}*, but {albumentations.__version__} is "
            f"installed: {install_line(EXTRA)}"
        )
    return albumentations


def read_transforms(source: object) -> tuple[list[Any], float]:
    """The transforms of a pipeline, and the probability of applying it.

    Args:
        source: Rows, each a mapping with `name` and the transform's own arguments, where
            compositions such as `OneOf` have `transforms`, rows of their own; what
            `albumentations.to_dict` returns; the path of a file that holds either; or an
            `albumentations.Compose`.

    Raises:
        ConfigError: It is none of these, a name or an argument is unknown, or a transform needs
            what samples do not have.
        DataError: The file cannot be read.
        MissingPackageError: albumentations is not installed.
    """
    library = import_albumentations()
    if isinstance(source, str | os.PathLike):
        source = _read_file(user_path(source))
    if isinstance(source, library.Compose):
        transforms, probability = list(source.transforms), float(source.p)
    else:
        rows, probability = _rows_of(source)
        builder = _Builder(library)
        transforms = [builder.build(row, f"{OPTION}[{i}]") for i, row in enumerate(rows)]
    if not transforms:
        raise ConfigError(f"{OPTION} has no transform; expected {EXPECTED}.")
    for transform in leaves(transforms):
        _check(library, transform)
    return transforms, probability


def leaves(transforms: Sequence[Any]) -> Iterator[Any]:
    """The transforms within compositions of any depth."""
    for transform in transforms:
        inner = getattr(transform, "transforms", None)
        if inner is None:
            yield transform
        else:
            yield from leaves(inner)


def _read_file(path: Path) -> Any:
    if path.suffix.lower() == ".json":
        return read_json(path, what=f"file of {OPTION}", error=ConfigError)
    if path.suffix.lower() in (".yaml", ".yml"):
        return read_yaml(path, what=f"file of {OPTION}", error=ConfigError)
    raise ConfigError(f"{OPTION}={shown(str(path))} must be {EXPECTED}.")


def _rows_of(source: object) -> tuple[Sequence[Any], float]:
    """The rows of a list or of a saved pipeline, and its probability."""
    if isinstance(source, Mapping) and isinstance(source.get("transform"), Mapping):
        source = source["transform"]  # beside the version that wrote it
    if isinstance(source, Mapping) and CLASS_KEY in source:
        if _short(source[CLASS_KEY]) != "Compose":
            return [source], 1.0
        return _listed(source.get("transforms"), OPTION), source.get("p", 1.0)
    if isinstance(source, Mapping) and "name" in source:
        return [source], 1.0
    return _listed(source, OPTION), 1.0


def _listed(rows: object, place: str) -> Sequence[Any]:
    if isinstance(rows, Sequence) and not isinstance(rows, str):
        return rows
    raise ConfigError(f"{place}={shown(rows)} must be {EXPECTED}.")


def _short(name: object) -> str:
    """The name of a class as albumentations' list has it; older files have the module before it."""
    text = name if isinstance(name, str) else ""
    return text.rpartition(".")[2] if text.startswith("albumentations.") else text


class _Builder:
    """Builds transforms of rows.

    Args:
        library: The package albumentations.
    """

    def __init__(self, library: Any) -> None:
        self.bases = (library.BasicTransform, library.BaseCompose)
        self.known = {
            name: value
            for name, value in vars(library).items()
            if isinstance(value, type)
            and issubclass(value, self.bases)
            and name not in _NOT_BY_NAME
        }

    def build(self, row: object, place: str) -> Any:
        """The transform of a row; `place` is where the row stands, for errors."""
        if isinstance(row, self.bases):
            return row
        if not isinstance(row, Mapping):
            raise ConfigError(
                f"{place}={shown(row)} must be a mapping such as {{name: Blur, p: 0.3}}."
            )
        given = row.get("name", row.get(CLASS_KEY))
        name = _short(given)
        if name not in self.known:
            raise ConfigError(
                f"{place}: there is no transform {shown(given)} in albumentations."
                f"{suggest(name, self.known)} A row is a mapping such as {{name: Blur, p: 0.3}}."
            )
        cls = self.known[name]
        arguments = {key: value for key, value in row.items() if key not in ("name", CLASS_KEY)}
        if name == "Compose":
            arguments = {key: value for key, value in arguments.items() if key in _OUTER}
        names = list(inspect.signature(cls).parameters)
        if CLASS_KEY in row:
            # A saved transform has arguments of its bases too, which it does not take itself.
            ours = {key for key in arguments if key in names or key not in _inherited(cls)}
            arguments = {key: value for key, value in arguments.items() if key in ours}
        for key in arguments:
            if key not in names:
                raise ConfigError(
                    f"{place}: {name} has no argument {shown(key)}.{suggest(str(key), names)} It "
                    f"has {', '.join(names)}."
                )
        if "transforms" in names:
            rows = _listed(arguments.get("transforms"), f"{place}.transforms")
            arguments["transforms"] = [
                self.build(one, f"{place}.transforms[{i}]") for i, one in enumerate(rows)
            ]
        owner: Any = next(one for one in cls.__mro__ if "__init__" in vars(one))
        if "InitSchema" in vars(owner):
            arguments["strict"] = True  # an error in place of a warning and default values
        with _building(f"{place}, {name}"):
            return cls(**arguments)


def _inherited(cls: type) -> set[str]:
    """The arguments of the bases of a class."""
    return {name for base in cls.__mro__[1:] for name in inspect.signature(base).parameters}


@contextmanager
def _building(what: str) -> Iterator[None]:
    """Show the first argument that albumentations refuses, by pydantic's report."""
    try:
        with building(f"{what},"):
            yield
    except ConfigError as error:
        found = getattr(getattr(error.__cause__, "__cause__", None), "errors", None)
        if found is None:
            raise
        first = found()[0]
        key = ".".join(map(str, first["loc"])) or "an argument"
        raise ConfigError(
            f"{what}: {key}={shown(first['input'])} is not possible: {first['msg']}."
        ) from error


def _check(library: Any, transform: Any) -> None:
    """Raise an error if a transform cannot be a step of a training pipeline."""
    name = type(transform).__name__
    if name in _CONVERSIONS:
        raise ConfigError(
            f"{OPTION}: leave out {name}. Images stay uint8, and the model normalises them on its "
            "device."
        )
    if isinstance(transform, library.Transform3D):
        raise ConfigError(
            f"{OPTION}: {name} is for volumes, and images have no depth. Leave it out."
        )
    absent = sorted({*getattr(transform, "targets_as_params", ())} - _GIVEN)
    if absent:
        raise ConfigError(
            f"{OPTION}: {name} needs {', '.join(map(repr, absent))}, which samples do not have. "
            "Leave it out, or use it in a dataset of your own."
        )
