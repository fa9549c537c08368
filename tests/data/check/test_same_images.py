from pathlib import Path

from vision.data.check.same_images import TAIL_BYTES, ImageSource, same_images

BODY = b"x" * TAIL_BYTES


def write(folder: Path, **files: bytes) -> dict[str, str]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {name: str(folder / name) for name in files}


def test_equal_files_in_two_splits_are_found(tmp_path: Path) -> None:
    at = write(
        tmp_path,
        a=b"1" + BODY,
        b=b"2" + BODY,  # of one size and one end with a, but another file
        c=b"1" + BODY,
        d=b"other",
        e=b"",
        f=b"",
    )
    absent = str(tmp_path / "absent")
    train = ImageSource("train", [at["a"], at["e"], absent])
    val = ImageSource("val", [at["b"], at["c"], at["d"], at["f"], absent])
    assert list(same_images([train, val])) == [
        f"'{at['a']}' (train) and '{at['c']}' (val) are the same image."
    ]


def test_equal_files_in_two_classes_are_found_and_within_one_are_not(tmp_path: Path) -> None:
    at = write(tmp_path, a=BODY, b=BODY, c=BODY, d=BODY)
    source = ImageSource("train", [at["a"], at["b"], at["c"]], ["cat", "cat", "dog"])
    assert list(same_images([source, ImageSource("val", [at["d"]], ["cat"])])) == [
        f"'{at['a']}' (train, class 'cat') and '{at['c']}' (train, class 'dog') and 1 more places "
        "are the same image."
    ]
    assert list(same_images([ImageSource("train", [at["a"], at["b"]], ["cat", "cat"])])) == []


def test_one_file_in_two_splits_is_found(tmp_path: Path) -> None:
    at = write(tmp_path, a=BODY)
    found = list(same_images([ImageSource("train", [at["a"]]), ImageSource("val", [at["a"]])]))
    assert len(found) == 1
    assert list(same_images([])) == []
