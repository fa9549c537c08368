from pathlib import Path

import pytest
from helpers.refusals import refuses
from helpers.tiny_boxes import VOC_SETS, write_voc

from vision.data.formats.voc import devkit_folder, read_names
from vision.errors import DataError


def test_the_folder_and_the_lists(tmp_path: Path) -> None:
    root = write_voc(tmp_path)
    folder = devkit_folder(root)
    assert folder == root / "VOCdevkit" == devkit_folder(folder)
    assert read_names(folder / "VOC2007", "trainval") == VOC_SETS["2007"]["trainval"]
    assert read_names(folder / "VOC2012", "cat_trainval") == VOC_SETS["2012"]["trainval"]
    with refuses(DataError, "has test, trainval. Did you mean 'trainval'"):
        read_names(folder / "VOC2007", "trianval")
    with refuses(DataError, "has no 'VOC2011'"):
        read_names(folder / "VOC2011", "trainval")
    listed = folder / "VOC2007" / "ImageSets" / "Main" / "test.txt"
    listed.write_text("my cat\nmy dog  -1\n000005 0\n")
    assert read_names(folder / "VOC2007", "test") == ["my cat", "my dog", "000005"]
    listed.write_text("..\\\\secret\n")
    with refuses(DataError, "leads", "folder"):
        read_names(folder / "VOC2007", "test")
    listed.write_text("\n")
    with pytest.raises(DataError, match="is empty"):
        read_names(folder / "VOC2007", "test")
    with pytest.raises(DataError, match="there is no folder"):
        devkit_folder(tmp_path / "absent")
