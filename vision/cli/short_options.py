"""Short forms of options that people type often, and one spelling of `-` and `_`."""

from collections.abc import Sequence

SHORT_FORMS = {
    "epochs": "trainer.max_epochs",
    "batch_size": "data.batch_size",
    "lr": "model.optim.lr",
    "devices": "trainer.devices",
    "resume": "ckpt_path",
}
# What a short form stands for when no value follows.
WITHOUT_VALUE = {"resume": "last"}


def full_key(typed: str) -> str:
    """The key of an option as the parser knows it, such as `"trainer.max_epochs"` for `"epochs"`.

    Args:
        typed: What stands between `--` and the value; `max-epochs` and `max_epochs` are the same.
    """
    key = typed.replace("-", "_")
    return SHORT_FORMS.get(key, key)


def in_full(args: Sequence[str]) -> list[str]:
    """Arguments with every option by its full key, and the value of a `--resume` that has none.

    Args:
        args: Arguments after the command.
    """
    full = []
    for place, arg in enumerate(args):
        if not arg.startswith("--"):
            full.append(arg)
            continue
        typed, equals, value = arg.removeprefix("--").partition("=")
        full.append(f"--{full_key(typed)}{equals}{value}")
        following = args[place + 1 : place + 2]
        alone = not equals and (not following or following[0].startswith("--"))
        if alone and typed in WITHOUT_VALUE:
            full.append(WITHOUT_VALUE[typed])
    return full
