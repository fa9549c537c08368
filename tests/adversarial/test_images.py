"""Images that are damaged, larger than they look, or of bands that are no colours."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from adversarial.case import Case, check, table, tool
from adversarial.written import BOMB, Reader, file, png, png_chunk
from helpers.pictures import jpeg, texture
from PIL import Image

from vision.data import ImageFolder
from vision.data.images.read import read_file, read_image
from vision.data.images.sizes import read_size
from vision.data.transforms.classification import TrainTransform
from vision.ops.label_images import read_labels


def crop(path: Path) -> Any:
    return TrainTransform(8).decode(read_file(path))


def passes(count: int) -> bytes:
    """A progressive JPEG file that goes over its pixels so many times."""
    data = jpeg(texture(96, 120), progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (count - data.count(b"\xff\xda")) + data[-2:]


def tall(data: bytes, rows: int, columns: int) -> bytes:
    """A JPEG file with another size in its header."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", rows, columns) + data[at + 4 :]


def stated(form: str, size: tuple[int, int]) -> bytes:
    """A small file of a format, the size in whose header is another."""
    buffer = io.BytesIO()
    Image.new("L" if form != "WEBP" else "RGB", (16, 16)).save(buffer, form)
    data = bytearray(buffer.getvalue())
    if form == "GIF":
        data[6:10] = struct.pack("<HH", *size)
    elif form == "BMP":
        data[18:26] = struct.pack("<ii", *size)
    elif form == "PPM":
        return bytes(data.replace(b"16 16", b"%d %d" % size))
    return bytes(data)


PHOTO = jpeg(texture(96, 120))
SMALL = jpeg(texture(8, 8))
ZTXT = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10**7)))
ICC = png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(10**7)))


def image(name: str, content: bytes, *says: str, read: Reader | None = None) -> Case:
    def shape(path: Path) -> tuple[int, ...]:
        return tuple(read_image(path).shape)

    return Case(
        f"image: {name}",
        file("a.img", content, read or shape),
        says=("a.img", *says) * bool(says),
        gives=None if says else (3, 96, 120),
    )


def bands(mode: str, form: str, cut: tuple[bytes, bytes] = (b"", b"")) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (40, 30), 90).save(buffer, form)
    return buffer.getvalue().replace(*cut)


def training(skip: int, damaged: bytes) -> Reader:
    """Trains an epoch on a folder of which one image is damaged; the number of samples."""

    def attempt(folder: Path) -> Any:
        for split in ("train", "val"):
            for name in ("a", "b"):
                (folder / split / name).mkdir(parents=True)
                for i in range(2):
                    (folder / split / name / f"{i}.jpg").write_bytes(SMALL)
        (folder / "train" / "a" / "0.jpg").write_bytes(damaged)
        data = ImageFolder(
            root=folder, image_size=8, batch_size=4, num_workers=0, skip_bad_images=skip
        )
        data.setup("fit")
        batches = [data.on_before_batch_transfer(batch, 0) for batch in data.train_dataloader()]
        return sum(len(batch["image"]) for batch in batches)

    return attempt


def damaged_set(folder: Path) -> Any:
    """All that `check_dataset` says of a folder with a damaged and a padded image."""
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            (folder / name / f"{i}.jpg").write_bytes(
                jpeg(texture(8, 8, seed=i + 3 * (name == "b")))
            )
    (folder / "a" / "0.jpg").write_bytes(PHOTO[: len(PHOTO) // 2] + PHOTO[-2:])
    (folder / "a" / "1.jpg").write_bytes(PHOTO[:-2] + bytes(30) + PHOTO[-2:])
    (folder / "b" / "0.jpg").write_bytes(png(end=False))
    printed = tool("check_dataset", "ImageFolder", "--root", folder, "--num_workers", 0)
    lines = [
        line for line in printed.splitlines() if " is damaged: " in line or "truncated" in line
    ]
    return sorted(line.split("'")[1][-7:] for line in lines)


@table(
    # Images: how much they would decode to
    image("PNG of 13,000 x 13,000", BOMB, "13,000 x 13,000", "VISION_MAX_PIXELS"),
    image("JPEG of 65,000 x 65,000", tall(PHOTO, 65_000, 65_000), "65,000 x 65,000"),
    image(
        "GIF of 50,000 x 50,000",
        stated("GIF", (50_000, 50_000)),
        "2,500,000,000 pixels",
        "VISION_MAX_PIXELS",
    ),
    image("BMP of 50,000 x 50,000", stated("BMP", (50_000, 50_000)), "2,500,000,000 pixels"),
    image("PPM of 50,000 x 50,000", stated("PPM", (50_000, 50_000)), "2,500,000,000 pixels"),
    image(
        "a bomb, of which a crop is trained",
        tall(PHOTO, 65_000, 65_000),
        "65,000 x 65,000",
        read=crop,
    ),
    image("a bomb, whose size is asked for", BOMB, "13,000 x 13,000", read=read_size),
    image("a bomb as a mask", BOMB, "13,000 x 13,000", read=read_labels),
    image("a comment of 10 MB", png(extra=ZTXT), "too large"),
    image("a colour profile of 10 MB", png(extra=ICC), "too large"),
    # Images: damage
    image("JPEG that is cut", PHOTO[: len(PHOTO) // 2], "truncated", "its end is missing"),
    image("JPEG with a cut scan", PHOTO[: len(PHOTO) // 2] + PHOTO[-2:], "damaged: Corrupt JPEG"),
    image("JPEG of more rows", tall(PHOTO, 192, 120), "damaged: Corrupt JPEG"),
    image("JPEG of fewer rows", tall(PHOTO, 48, 120), "extraneous bytes"),
    image("JPEG of other columns", tall(PHOTO, 96, 240), "damaged: Corrupt JPEG"),
    image(
        "JPEG with a garbled scan", PHOTO[:-900] + bytes(range(100)) * 8 + PHOTO[-100:], "damaged"
    ),
    image("JPEG of 300 scans", passes(300), "300 scans"),
    image("JPEG of 300 scans, of which a crop is trained", passes(300), "300 scans", read=crop),
    image("PNG without its end", png(end=False), "truncated", "its end is missing"),
    image(
        "PNG with a changed pixel",
        png().replace(zlib.compress(bytes(72)), zlib.compress(bytes(71) + b"\1")),
        "checksum",
    ),
    image("PNG of more rows", png(8, 16), "a.img"),
    image("PNG mask without its end", png(end=False), "its end is missing", read=read_labels),
    image("JPEG with a note after its end", PHOTO + b"taken by"),
    image("JPEG with another one after it", PHOTO + SMALL),
    image("JPEG with padding before its end", PHOTO[:-2] + bytes(20) + PHOTO[-2:]),
    image("JPEG in passes", jpeg(texture(96, 120), progressive=True)),
    Case(
        "training on a damaged image",
        training(0, PHOTO[:2000] + PHOTO[-2:]),
        says=("0.jpg", "damaged"),
    ),
    Case("training past a damaged image", training(1, PHOTO[:2000] + PHOTO[-2:]), gives=4),
    Case("a check of damaged images", damaged_set, gives=["a/0.jpg", "a/1.jpg", "b/0.jpg"]),
    # Images: bands
    image(
        "JPEG 2000 with a fourth band", bands("RGBA", "JPEG2000", (b"cdef", b"free")), "has 4 bands"
    ),
    image(
        "TIFF with the near infrared",
        bands(
            "RGBA", "TIFF", (struct.pack("<HHII", 338, 3, 1, 2), struct.pack("<HHII", 338, 3, 1, 0))
        ),
        "has 4 bands",
        "gdal_translate",
    ),
)
def test_images(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check(case, tmp_path, caplog)
    assert not (tmp_path / "executed").exists(), "code of the file ran"
