"""Features of a folder of images in one file, resuming where an earlier run stopped."""

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vision.documents.json_writing import to_json
from vision.errors import DataError
from vision.files import replace_file, sha256_of
from vision.metrics.knn import NEIGHBOURS, TEMPERATURE, KnnAccuracy, knn_accuracy
from vision.outputs import check_output_file
from vision.predict.embed import check_embeds, stream_features
from vision.predict.job import LINES, open_folder, read_lines
from vision.predict.options import Precision
from vision.reading import MAX_TABLE_BYTES, read_file, shown_path
from vision.version import __version__

if TYPE_CHECKING:
    from vision.predict.model import Model

FEATURES = "features.bin"
UNFINISHED = ".part"
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Summary:
    """The summary of a job.

    Attributes:
        done: Number of images with features, including earlier ones.
        earlier: Number of these that an earlier run made.
        width: Number of features of an image.
        bad: Message of each image that could not be read.
    """

    done: int
    earlier: int
    width: int
    bad: tuple[str, ...]


def embed_folder(
    model: "Model",
    source: str | os.PathLike[str],
    out: Path,
    *,
    batch_size: int = 8,
    precision: Precision = "float32",
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Compute the features of image files, and write them to a `.npz` file.

    It has `features`, float32 `(N, D)`, and `paths`, `(N,)` text, relative to the folder. Until all
    are done they are in the folder `OUT.part`, from which the same command goes on. Images that
    cannot be read are left out.

    Args:
        model: The model.
        source: An image, a folder or a pattern.
        out: The file.
        batch_size: Images per batch.
        precision: Precision of the computation.
        num_workers: Threads that read images; None chooses.
        progress: Called with the number of finished images, and of all.

    Raises:
        ConfigError: The folder of unfinished features belongs to another job.
        DataError: There are no images, or the file cannot be written.
    """
    check_output_file(out, option="--out")
    check_embeds(model.predictor)
    files = model.predictor.sources.named(source)
    part = out.with_name(out.name + UNFINISHED)
    open_folder(part, _job(model, source, precision))
    listed = list(read_lines(part / LINES))
    names = [str(line["image"]) for line in listed]
    known, earlier = set(names), len(names)
    width = int(listed[0]["width"]) if listed else 0
    missing = [name for name in files if name not in known]
    found = stream_features(
        model.predictor,
        [files[name] for name in missing],
        batch_size=batch_size,
        precision=precision,
        num_workers=num_workers,
        skip_bad_images=True,
    )
    # An image counts once it is in the list; features without are cut off.
    with (part / FEATURES).open("ab") as features, (part / LINES).open("a") as lines:
        features.truncate(4 * width * len(names))
        for one in found:
            vector = one.features.numpy().astype("<f4")  # type: ignore[attr-defined]
            width, name = len(vector), missing[one.index]
            features.write(vector.tobytes())
            features.flush()
            lines.write(to_json({"image": name, "width": width}) + "\n")
            lines.flush()
            names.append(name)
            if progress is not None:
                progress(earlier + one.index + 1, len(files))
    if not names:
        raise DataError(f"none of the {len(files):,} images in {shown_path(source)} can be read.")
    _write(part / FEATURES, out, names, width, order=list(files))
    shutil.rmtree(part)
    return Summary(len(names), earlier, width, tuple(bad.message for bad in found.bad_images))


def _job(model: "Model", source: str | os.PathLike[str], precision: Precision) -> dict[str, Any]:
    """What the features depend on."""
    described = model.description
    return {
        "version": __version__,
        "checkpoint": None if model.path is None else os.path.abspath(model.path),
        "sha256": None if model.path is None else sha256_of(model.path),
        "input": os.path.abspath(Path(source).expanduser()),
        "options": {"backbone": described["backbone"], "precision": precision},
    }


def _write(features: Path, out: Path, names: list[str], width: int, *, order: list[str]) -> None:
    stored = np.fromfile(features, dtype="<f4").reshape(len(names), width)
    place = {name: i for i, name in enumerate(names)}
    chosen = [name for name in order if name in place]
    table = stored[[place[name] for name in chosen]]

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, features=table, paths=np.array(chosen))

    replace_file(out, write)


def read_features(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read the features `(N, D)` and paths of a file of `embed_folder`.

    Raises:
        DataError: It is absent, or not such a file.
    """
    data = read_file(path, max_bytes=MAX_TABLE_BYTES, what="file of features")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            features, paths = found["features"], [str(name) for name in found["paths"]]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{shown_path(path)} holds no features ({str(error)[:200]}): give a file that `embed` "
            "has written."
        ) from error
    if features.ndim != 2 or len(features) != len(paths) or not np.isfinite(features).all():
        raise DataError(f"{shown_path(path)} is damaged: its features and paths do not match.")
    return features, paths


def nearest_neighbours(
    test: Path, train: Path, *, k: int = NEIGHBOURS, temperature: float = TEMPERATURE
) -> KnnAccuracy:
    """Classify images by the nearest of others; the first folder of a path is its class.

    Args:
        test: Features of the images to classify.
        train: Features of the images that vote.
        k: Number of neighbours.
        temperature: As in `vision.metrics.knn`.

    Raises:
        DataError: A file holds no features, or its images are not in folders of classes.
        ConfigError: The features are of different models.
    """
    (voting, their_paths), (asked, our_paths) = read_features(train), read_features(test)
    theirs, ours = _classes(their_paths, train), _classes(our_paths, test)
    names = {name: label for label, name in enumerate(sorted({*theirs, *ours}))}
    return knn_accuracy(
        torch.from_numpy(voting),
        torch.tensor([names[name] for name in theirs]),
        torch.from_numpy(asked),
        torch.tensor([names[name] for name in ours]),
        k=k,
        temperature=temperature,
    )


def _classes(paths: list[str], file: Path) -> list[str]:
    loose = [path for path in paths if "/" not in path]
    if loose:
        raise DataError(
            f"{shown_path(file)} has images without a class, such as {shown_path(loose[0])}: "
            "neighbours need the features of a folder with one folder of images per class."
        )
    return [path.partition("/")[0] for path in paths]
