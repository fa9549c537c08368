"""A tiny ImageNet in exactly the official formats: folders, development kit and archives."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

DEVKIT = "ILSVRC2012_devkit_t12"
# Some classes, and their ids in ILSVRC, which do not follow the order of the names.
ILSVRC_IDS = {"n01440764": 3, "n02012849": 1, "n03126707": 2}
WNIDS = tuple(ILSVRC_IDS)
# Of the validation images 1 to 4, worked out by hand: the labels by WordNet id are 1, 0, 2, 0.
GROUND_TRUTH = (1, 3, 2, 3)
VAL_WNIDS = ("n02012849", "n01440764", "n03126707", "n01440764")
TRAIN_COUNT = 2


def jpeg(grey: int) -> bytes:
    """An image of one grey level."""
    file = io.BytesIO()
    Image.new("RGB", (12, 10), (grey, grey, grey)).save(file, "JPEG")
    return file.getvalue()


def train_images(wnids: tuple[str, ...] = WNIDS) -> dict[str, dict[str, bytes]]:
    """Class -> file name -> content."""
    return {
        wnid: {f"{wnid}_{10 + i}.JPEG": jpeg(60 * label + i) for i in range(TRAIN_COUNT)}
        for label, wnid in enumerate(wnids)
    }


def val_images() -> dict[str, bytes]:
    """File name -> content; the grey level of image N is 50 * N."""
    return {f"ILSVRC2012_val_{i:08d}.JPEG": jpeg(50 * i) for i in range(1, len(VAL_WNIDS) + 1)}


def devkit_files() -> dict[str, bytes]:
    """The files of the development kit that matter, and two that do not."""
    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children")
    dtype = [(name, object) for name in (*fields, "wordnet_height", "num_train_images")]
    rows = [
        (float(number), wnid, "some, words", "gloss", 0.0, np.zeros((1, 0)), 0.0, TRAIN_COUNT)
        for wnid, number in sorted(ILSVRC_IDS.items(), key=lambda item: item[1])
    ]
    # An inner node of the hierarchy, as the real file has after the 1000 classes.
    rows.append((4.0, "n00001740", "entity", "all", 2.0, np.array([[1.0, 2.0]]), 18.0, 0))
    meta = io.BytesIO()
    savemat(meta, {"synsets": np.array(rows, dtype=dtype).reshape(-1, 1)})
    labels = "".join(f"{number}\n" for number in GROUND_TRUTH)
    return {
        f"{DEVKIT}/readme.txt": b"Read me.",
        f"{DEVKIT}/data/ILSVRC2012_validation_ground_truth.txt": labels.encode(),
        f"{DEVKIT}/data/meta.mat": meta.getvalue(),
        f"{DEVKIT}/evaluation/eval_flat.m": b"% code",
    }


def write_folders(root: Path, *, flat_val: bool) -> None:
    """ImageNet-1k with the classes above."""
    for wnid, images in train_images().items():
        write_files(root / "train" / wnid, images)
    for wnid, (name, content) in zip(VAL_WNIDS, val_images().items(), strict=True):
        write_files(root / "val" / ("" if flat_val else wnid), {name: content})
    if flat_val:
        write_files(root, devkit_files())


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files, with their folders."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def tar(files: Mapping[str, bytes], *, folders: tuple[str, ...] = (), mode: str = "w") -> bytes:
    """A tar archive in memory."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name in folders:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def tar_of_tars(images: Mapping[str, Mapping[str, bytes]], *, folder: str = "") -> bytes:
    """An archive of an archive for each class."""
    return tar({f"{folder}{wnid}.tar": tar(files) for wnid, files in images.items()})


def write_archives(folder: Path) -> list[Path]:
    """The three archives of ImageNet-1k, with the classes above."""
    archives = {
        f"{DEVKIT}.tar.gz": tar(devkit_files(), folders=(DEVKIT, f"{DEVKIT}/data"), mode="w:gz"),
        "ILSVRC2012_img_train.tar": tar_of_tars(train_images()),
        "ILSVRC2012_img_val.tar": tar(val_images()),
    }
    write_files(folder, archives)
    return [folder / name for name in archives]
