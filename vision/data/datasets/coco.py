"""COCO, and any dataset whose annotations are in COCO's format."""

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from torch.utils.data import Dataset

from vision.annotations.coco_kinds import Kind
from vision.data.base.detection import DetectionData, MaskOptions, Split
from vision.data.check.index import problems_of_file
from vision.data.check.problems import ImageFiles, SplitSummary
from vision.data.files.array_cache import default_cache_dir
from vision.data.files.finding import list_folders, require_folder
from vision.data.files.given_paths import given_paths
from vision.data.formats.coco import CheckedFile, check_coco, read_coco
from vision.data.index.detection import DetectionIndex
from vision.errors import ConfigError, DataError, suggest
from vision.keywords import Unpack

EXPECTED = (
    "Expected ROOT/annotations/instances_{train,val}2017.json and ROOT/{train,val}2017/*.jpg (and "
    "ROOT/annotations/image_info_test-dev2017.json and ROOT/test2017/*.jpg); or, for any files in "
    "COCO's format, set train_annotations and train_images, and val_ likewise."
)
PathLike = str | os.PathLike[str]


class SplitPaths(NamedTuple):
    """Paths of a split.

    Attributes:
        annotations: The JSON file.
        images: The folder of the images.
    """

    annotations: Path
    images: Path


class COCO(DetectionData):
    """COCO 2017 by its root, or any dataset in COCO's format by paths.

    "Microsoft COCO: Common Objects in Context", Lin et al., 2014, arXiv 1405.0312. Labels number
    the categories by ascending id: 0..79 for the ids 1..90 of COCO, as in published weights.

    The test labels were never published: the validation set is tested. Test-dev is predicted, or
    the validation set without it.

    Args:
        root: Folder of the official layout; None if all paths are given. Other given paths replace
            the ones in it.
        train_annotations: JSON file of the training set.
        train_images: Folder of the images of the training set.
        val_annotations: JSON file of the validation set.
        val_images: Folder of the images of the validation set.
        predict_annotations: JSON file that lists the images to predict; annotations are not read.
        predict_images: Folder of the images to predict.
        cache_dir: Folder where parsed annotations are kept for the next start; "" or None keeps
            none; "default" is `vision/annotations` in `$XDG_CACHE_HOME` or `~/.cache`.
        **options: Other keywords of `DetectionData`.

    Attributes:
        reads: What its annotation files have to be.
        layout: Annotation file and folder of images of each split, below `root`.
        clipped: Number of boxes that were clipped to their images, by split; known after a check.

    Raises:
        ConfigError: Neither `root` nor both paths of a split are given, one of a pair of paths is,
            or an option is out of its range.
    """

    expected = EXPECTED
    reads: ClassVar[Kind] = "objects"
    layout: ClassVar[Mapping[str, tuple[str, str]]] = {
        "train": ("annotations/instances_train2017.json", "train2017"),
        "val": ("annotations/instances_val2017.json", "val2017"),
        "predict": ("annotations/image_info_test-dev2017.json", "test2017"),
    }

    def __init__(
        self,
        *,
        root: PathLike | None = None,
        train_annotations: PathLike | None = None,
        train_images: PathLike | None = None,
        val_annotations: PathLike | None = None,
        val_images: PathLike | None = None,
        predict_annotations: PathLike | None = None,
        predict_images: PathLike | None = None,
        cache_dir: PathLike | None = "default",
        **options: Unpack[MaskOptions],
    ) -> None:
        super().__init__(**options)
        paths = {
            "root": root,
            "train_annotations": train_annotations,
            "train_images": train_images,
            "val_annotations": val_annotations,
            "val_images": val_images,
            "predict_annotations": predict_annotations,
            "predict_images": predict_images,
        }
        # As they are given on the command line, for messages.
        self._options, full = given_paths(paths)
        self.root = full.get("root")
        self.sources = self._sources(full)
        self.clipped: dict[Split, int] = {}
        if cache_dir == "default":
            self.cache_dir: Path | None = default_cache_dir()
        else:
            self.cache_dir = Path(cache_dir).expanduser() if cache_dir else None

    @property
    def predict_split(self) -> Split:
        """Test-dev, or the images of `predict_annotations`; the validation set without them."""
        source = self.sources.get("predict")
        if source is None:
            return "val"
        # The official layout is complete without it; a path that was given must exist.
        return (
            "predict" if source.annotations.exists() or not self._is_official("predict") else "val"
        )

    @property
    def naming_split(self) -> Split:
        """The training set, or the validation set without it."""
        source = self.sources.get("train")
        is_there = source is not None and source.annotations.exists()
        return "train" if is_there or "val" not in self.sources else "val"

    def read_index(self, split: Split) -> DetectionIndex:
        """Read the annotation file of a split.

        Raises:
            ConfigError: Its paths were not given.
            DataError: It is absent, damaged or has problems.
        """
        source = self._require_source(split)
        return read_coco(
            source.annotations,
            source.images,
            masks=self.masks and split != "predict",
            annotated=split != "predict",
            clip_boxes=self.clip_boxes,
            kind=self.reads,
            cache_dir=self.cache_dir,
            check=f"{type(self).__name__} {self._options}",
        )

    def annotations(self, split: Split) -> Path:
        """The annotation file of a split."""
        return self._require_source(split).annotations

    def looked_at(self, split: Split) -> str:
        """The annotation file of a split."""
        return f"'{self._require_source(split).annotations}'"

    def prepare_data(self) -> None:
        """Parse the annotations once, on one process of each machine; the others map the result."""
        if self.cache_dir is not None:
            splits: tuple[Split, ...] = ("train", "val")
            for split in splits:
                if split in self.sources and self.sources[split].annotations.is_file():
                    self.index(split)

    def annotation_problems(self) -> Iterator[str]:
        """All problems of the annotation files, with file and id."""
        for split, checked in self._checked.items():
            if split in self._indices:
                degenerate = checked.annotations - len(self._indices[split].boxes)
                self.dropped[split] = {"degenerate": degenerate}
                self.clipped[split] = checked.clipped
            yield from problems_of_file(checked, f"'{self.sources[split].annotations}'")

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images of every split, also of annotation files with problems."""
        yield from super().samples_to_check()
        paths: dict[str, None] = {}
        for split, checked in self._checked.items():
            if split not in self._indices and checked.readable is not None:
                index = checked.readable
                paths |= dict.fromkeys(str(index.path(i)) for i in range(len(index)))
        yield ImageFiles(list(paths))

    def summary(self) -> dict[str, SplitSummary]:
        """As of every detection dataset, with the number of clipped boxes."""
        found = super().summary()
        for split, count in self.clipped.items():
            if count and split in found:
                found[split]["clipped_boxes"] = count
        return found

    @cached_property
    def _checked(self) -> dict[Split, CheckedFile]:
        splits: tuple[Split, ...] = ("train", "val", "predict")
        return {
            split: check_coco(
                *self.sources[split],
                masks=self.masks and split != "predict",
                clip_boxes=self.clip_boxes,
                kind=self.reads,
            )
            for split in splits
            if split in self.sources and self.sources[split].annotations.is_file()
        }

    def _require_source(self, split: Split) -> SplitPaths:
        source = self.sources.get(split)
        if source is None:
            raise ConfigError(
                f"there is no {split} set: set {split}_annotations and {split}_images, or root."
            )
        if self._is_official(split) and not source.annotations.is_file():
            assert self.root is not None, "the official layout has a root"
            require_folder(self.root, self.expected)
            folder = source.annotations.parent
            names = [path.name for path in folder.glob("*.json")] if folder.is_dir() else []
            near = suggest(source.annotations.name, names)
            has = ", ".join(list_folders(self.root)) or "no folders"
            raise DataError(
                f"there is no annotation file '{source.annotations.resolve()}' ("
                f"'{self.root.resolve()}' has {has}).{near} {self.expected}"
            )
        return source

    def _is_official(self, split: str) -> bool:
        return self.root is not None and self.sources.get(split) == self._official(self.root, split)

    def _official(self, root: Path, split: str) -> SplitPaths:
        annotations, images = self.layout[split]
        return SplitPaths(root / annotations, root / images)

    def _sources(self, paths: dict[str, Path]) -> dict[str, SplitPaths]:
        """The paths of each split, from the given paths by option."""
        sources = {}
        for split in self.layout:
            names = (f"{split}_annotations", f"{split}_images")
            if "root" in paths:
                official = self._official(paths["root"], split)
                sources[split] = SplitPaths(*map(paths.get, names, official))
            elif present := [name for name in names if name in paths]:
                if absent := set(names).difference(present):
                    raise ConfigError(
                        f"{absent.pop()} must be set too: the {split} set needs both paths."
                    )
                sources[split] = SplitPaths(*(paths[name] for name in names))
        if not sources:
            raise ConfigError(
                f"set root to the folder of {type(self).__name__}, or train_annotations, "
                "train_images, val_annotations and val_images to the files of another dataset."
            )
        return sources
