"""Heads and what belongs to them, against the tensors of the authors' own code.

Runs over every file of the folder that `PARITY_HEADS_DIR` names, else of
`../shared/parity/heads`, else of `tests/fixtures/parity/heads`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.box_overlaps import check_kitti_overlaps
from helpers.centerpoint import check_centerpoint
from helpers.deformable import check_deformable
from helpers.dino import check_dino
from helpers.dpt import check_dpt
from helpers.flatformer import check_flatformer
from helpers.kitti import check_kitti_evaluation
from helpers.kmax import check_kmax_head, check_kmax_loss, check_kmax_post
from helpers.monodetr import check_monodetr_head, check_monodetr_loss
from helpers.parity_files import ParityFile, parity_files, read_parity
from helpers.swin3d import check_swin3d
from helpers.swin_unetr import check_swin_unetr

CHECKS: dict[str, Callable[[ParityFile], None]] = {
    "croco_downstream": check_dpt,
    "dino": check_dino,
    "flatformer": check_flatformer,
    "flatformer_centerpoint": check_centerpoint,
    "kitti_overlaps": check_kitti_overlaps,
    "kmax_deeplab": check_kmax_head,
    "kmax_deeplab_loss": check_kmax_loss,
    "kmax_deeplab_postprocess": check_kmax_post,
    "monodetr": check_monodetr_head,
    "monodetr_loss": check_monodetr_loss,
    "ms_deform_attn": check_deformable,
    "swin3d": check_swin3d,
    "swin_unetr": check_swin_unetr,
}


@pytest.mark.parametrize("path", parity_files("heads"), ids=lambda path: path.stem)
def test_the_numbers_are_the_authors(path: Path) -> None:
    reference = read_parity(path, CHECKS)
    CHECKS[reference.metadata["family"]](reference)


@pytest.mark.parametrize(
    "path", parity_files("heads", "kitti_eval*.json"), ids=lambda path: path.stem
)
def test_average_precision_is_the_authors(path: Path, tmp_path: Path) -> None:
    check_kitti_evaluation(path, tmp_path)


def test_there_are_files() -> None:
    stems = {path.stem for path in parity_files("heads")}
    assert stems >= {"kmax_loss", "kitti_overlaps"}
    assert parity_files("heads", "kitti_eval*.json")
