"""Short forms of options."""

import pytest

from vision.cli.option_table import option_table
from vision.cli.short_options import SHORT_FORMS, full_key, in_full


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--epochs", "3"], ["--trainer.max_epochs", "3"]),
        (["--batch-size=8"], ["--data.batch_size=8"]),
        (["--batch_size", "8"], ["--data.batch_size", "8"]),
        (["--trainer.max-epochs", "3"], ["--trainer.max_epochs", "3"]),
        (["--resume"], ["--ckpt_path", "last"]),
        (["--resume", "--lr", "1e-3"], ["--ckpt_path", "last", "--model.optim.lr", "1e-3"]),
        (["--resume", "a-b.ckpt"], ["--ckpt_path", "a-b.ckpt"]),
        (["--resume=a-b.ckpt"], ["--ckpt_path=a-b.ckpt"]),
        (["--name", "my-run", "-c", "a-b.yaml"], ["--name", "my-run", "-c", "a-b.yaml"]),
    ],
)
def test_options_in_full(args: list[str], expected: list[str]) -> None:
    assert in_full(args) == expected


def test_short_forms_are_of_options_that_exist() -> None:
    table = option_table()
    keys = {option.key for option in (*table.trainer, *table.commands["fit"])}
    keys |= {one.key for one in table.classes["model"]["Classification"].options}
    keys |= {one.key for one in table.classes["data"]["ImageFolder"].options}
    for typed in SHORT_FORMS:
        assert full_key(typed) in keys
        assert typed not in keys, f"--{typed} is an option itself"
