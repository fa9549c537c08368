"""What is neither backbone nor head, against the numbers of the authors' own code.

Runs over every file of the folder that `PARITY_OTHERS_DIR` names, else of
`../shared/parity/others`, else of `tests/fixtures/parity/others`.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.parity_files import ParityFile, parity_files, read_parity

from vision.metrics.knn import knn_accuracy, knn_votes

FILES = parity_files("others")
FINE = 1e-9


def check_knn(reference: ParityFile) -> None:
    tensors = reference.tensors
    train, labels = tensors["train/features"], tensors["train/labels"]
    test, true = tensors["test/features"], tensors["test/labels"]
    for name, (top1, top5) in reference.results.items():
        found = re.fullmatch(r"k(\d+)_T([\d.]+)", name)
        assert found, name
        k, temperature = int(found[1]), float(found[2])
        accuracy = knn_accuracy(train, labels, test, true, k=k, temperature=temperature)
        assert 100 * accuracy.top1 == pytest.approx(top1, abs=1e-6), name
        assert 100 * accuracy.top5 == pytest.approx(top5, abs=1e-6), name
    expected = tensors["votes_f64"]
    votes = knn_votes(
        train.double(), labels, test.double(), num_classes=expected.shape[1], k=20, temperature=0.07
    )
    assert ((votes - expected).abs().max() / expected.abs().max()).item() <= FINE
    similar = test[: len(tensors["similarity_f64"])].double() @ train.double().T
    torch.testing.assert_close(similar, tensors["similarity_f64"], rtol=FINE, atol=FINE)


CHECKS: dict[str, Callable[[ParityFile], None]] = {"knn": check_knn}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_numbers_are_the_authors(path: Path) -> None:
    reference = read_parity(path, CHECKS)
    CHECKS[reference.metadata["family"]](reference)


def test_there_are_files() -> None:
    assert any(path.stem == "knn" for path in FILES)
