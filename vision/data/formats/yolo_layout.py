"""Reading of a YOLO dataset's `data.yaml`: images, classes and keypoints."""

import os
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import yaml

from vision.annotations.columns import identity
from vision.annotations.file_names import with_slashes
from vision.data.files.finding import find_images
from vision.documents.text import read_lines, read_text
from vision.documents.yaml_text import loaded_yaml
from vision.errors import DataError, shown, suggest
from vision.reading import MAX_SETTINGS_BYTES

NAME = "data.yaml"
EXPECTED = (
    "Expected data.yaml with `train`, `val` and maybe `test` (a folder of images, a list of "
    "folders, or a .txt with a path a line, from `path` on) and `names`, and beside each folder "
    "images/... its labels/..."
)
MAX_KEYPOINTS = 10_000
_NULL = "tag:yaml.org,2002:null"

YoloSplit = Literal["train", "val", "test"]


class Layout(NamedTuple):
    """Contents of `data.yaml`.

    Attributes:
        file: The file itself.
        folder: The folder that the paths are relative to.
        class_names: Names of the classes, by label.
        splits: The entries of `train`, `val` and `test`.
        keypoints: `kpt_shape`: number of keypoints, and of values of each; None for null, () if
            there is no such key.
    """

    file: Path
    folder: Path
    class_names: tuple[str, ...]
    splits: dict[YoloSplit, tuple[str, ...]]
    keypoints: tuple[int, ...] | None = ()

    def images(self, split: str) -> list[str]:
        """Paths of the images of a split, in the order of the entries, then of their names.

        Raises:
            DataError: `data.yaml` has no such split, or an entry is absent or has no images.
        """
        entries = next((own for name, own in self.splits.items() if name == split), None)
        if entries is None:
            raise DataError(f"'{self.file}' has no `{split}`; it has {', '.join(self.splits)}.")
        found: dict[str, None] = {}  # an image in two entries counts once
        for entry in entries:
            found |= dict.fromkeys(self._images(split, entry))
        return list(found)

    def _images(self, split: str, entry: str) -> list[str]:
        path = self._place(entry)
        if path is None:
            raise DataError(
                f"`{split}` of '{self.file}' is '{entry}', which is absent: looked at "
                f"'{self.folder / entry}'. {EXPECTED}"
            )
        images = find_images(path) if os.path.isdir(path) else self._listed(path)
        if not images:
            raise DataError(f"`{split}` of '{self.file}' has no images: '{path}'. {EXPECTED}")
        return images

    def _place(self, entry: str) -> Path | None:
        places = [self.folder / entry]
        if entry.startswith("../"):  # Roboflow writes them as if data.yaml were a folder deeper
            places.append(self.folder / entry.removeprefix("../"))
        # Unlike pathlib's functions, these treat a name that is too long as absent.
        return next((place for place in places if os.path.exists(place)), None)

    def _listed(self, path: Path) -> list[str]:
        lines = read_lines(path, what="list of images")
        return [self._listed_image(path, with_slashes(line)) for line in lines]

    def _listed_image(self, file: Path, line: str) -> str:
        # Relative to the list itself in official lists; other programs write them from the root.
        beside = os.path.normpath(file.parent / line)
        from_root = os.path.normpath(self.folder / line)
        return from_root if beside != from_root and not os.path.exists(beside) else beside


def read_layout(root: Path) -> Layout:
    """Read `data.yaml`.

    Every value is read as text: a class may be called no, on, 01, 12:30 or null, which YAML reads
    as other types.

    Args:
        root: The file, with any name, or the folder of `data.yaml` or of a single other `.yaml`.

    Raises:
        DataError: The file is absent, is not YAML, or lacks a key.
    """
    file = _find(root)
    content = _read_texts(file)
    splits = {}
    for split in get_args(YoloSplit):
        entries = content.get(split) or ()
        entries = (entries,) if isinstance(entries, str) else entries
        if not isinstance(entries, (list, tuple)) or not all(
            isinstance(e, str) and e for e in entries
        ):
            raise DataError(f"`{split}` of '{file}' is {entries!r}. {EXPECTED}")
        if entries:
            splits[split] = tuple(map(with_slashes, entries))
    if absent := [split for split in ("train", "val") if split not in splits]:
        raise DataError(f"'{file}' has no `{absent[0]}`.{suggest(absent[0], content)} {EXPECTED}")
    return Layout(
        file,
        _folder(file, content.get("path")),
        _names(file, content),
        splits,
        _keypoint_shape(file, content),
    )


def _read_texts(file: Path) -> dict[str, Any]:
    """The keys of a YAML file: scalars as they are written, None for null outside of `names`."""
    name = f"dataset file '{file}'"
    text = read_text(file, max_bytes=MAX_SETTINGS_BYTES, what="dataset file")
    with loaded_yaml(text, name) as (_, root):
        if not isinstance(root, yaml.MappingNode):
            raise DataError(f"'{file}' holds no `key: value` lines. {EXPECTED}")
        return {str(key.value): _texts(node, null=key.value == "names") for key, node in root.value}


def _texts(node: yaml.Node, *, null: bool) -> Any:
    """A node with texts for scalars; `null` keeps YAML's null as text."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _texts(value, null=null) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_texts(value, null=null) for value in node.value]
    return None if node.tag == _NULL and not null else str(node.value)


def _find(root: Path) -> Path:
    if os.path.lexists(root) and not os.path.isdir(root):
        return root
    if not os.path.isdir(root):
        raise DataError(f"there is no '{root}' (looked at '{root.resolve()}'). {EXPECTED}")
    if os.path.lexists(root / NAME):
        return root / NAME
    others = sorted(path for path in root.iterdir() if path.suffix in (".yaml", ".yml"))
    if len(others) != 1:
        found = ", ".join(path.name for path in others) or "none"
        raise DataError(
            f"'{root.resolve()}' has no {NAME} (YAML files in it: {found}); name the file itself "
            f"as root. {EXPECTED}"
        )
    return others[0]


def _folder(file: Path, path: Any) -> Path:
    beside = Path(os.path.abspath(file.parent))
    if not path:
        return beside
    if not isinstance(path, str):
        raise DataError(f"`path` of '{file}' is {shown(path)}, expected a folder.")
    given = Path(with_slashes(path))
    # `path` may be relative to the file or to the current folder, or name the file's own folder.
    for place in (beside / given, given.absolute()):
        if os.path.isdir(place):
            return Path(os.path.normpath(place))
    if given.name == beside.name:
        return beside
    raise DataError(
        f"`path` of '{file}' is '{path}': there is no such folder, neither from '{beside}' nor "
        "from the current one. Delete the line if the file lies in the dataset's folder."
    )


def _names(file: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names = content.get("names")
    if isinstance(names, dict):
        labels = {identity(label): name for label, name in names.items()}
        if {*labels} != {*range(len(names))}:
            raise DataError(
                f"`names` of '{file}' has the keys {shown([*names])}, expected 0 to "
                f"{len(names) - 1}."
            )
        names = [labels[label] for label in range(len(names))]
    if not isinstance(names, list) or not names:
        near = suggest("names", content)
        raise DataError(f"'{file}' has no `names`, a list or `label: name` lines.{near}")
    if "nc" in content and identity(content["nc"]) != len(names):
        raise DataError(f"'{file}' has {len(names)} `names` but `nc: {content['nc']}`.")
    owners: dict[str, int] = {}
    for label, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise DataError(
                f"`names` of '{file}' has {shown(name)} for class {label}, expected a name."
            )
        if owners.setdefault(name.strip(), label) != label:
            raise DataError(
                f"`names` of '{file}' has {shown(name.strip())} twice: for the classes "
                f"{owners[name.strip()]} and {label}."
            )
    return tuple(owners)


def _keypoint_shape(file: Path, content: dict[str, Any]) -> tuple[int, ...] | None:
    if "kpt_shape" not in content:
        return ()
    stated = content["kpt_shape"]
    if stated is None:
        return None
    shape = tuple(map(identity, stated)) if isinstance(stated, list) else ()
    if len(shape) != 2 or not 1 <= (shape[0] or 0) <= MAX_KEYPOINTS or shape[1] not in (2, 3):
        raise DataError(
            f"`kpt_shape` of '{file}' is {shown(stated)}, expected [number of keypoints, 2 or 3 "
            "values of each]."
        )
    return int(shape[0] or 0), int(shape[1] or 0)
