"""Options of a plain LightningCLI, or of earlier configs, that have another name here."""

OPTIMIZERS = (
    "the optimiser is an option of the task: --model.optim.name sgd --model.optim.lr 0.1, and "
    "further options by --model.optim.options '{momentum: 0.95}'."
)
SCHEDULES = (
    "the schedule is an option of the task: --model.optim.lr_schedule cosine (or steps, poly, "
    "one_cycle, constant, plateau), with warmup_epochs, min_lr and others beside it."
)
# An option, or its first part -> what it is here.
ANSWERS = {
    "model.grad_checkpointing": (
        "model.memory: checkpoint recomputes blocks, and lean saves less memory in less time."
    ),
    **dict.fromkeys(("optimizer", "optimizers", "optimiser"), OPTIMIZERS),
    **dict.fromkeys(("lr_scheduler", "scheduler", "sched"), SCHEDULES),
}


def answer(key: str) -> str | None:
    """What an option of another name is here; None for any other.

    Args:
        key: The option without dashes, such as `"optimizer.lr"`.
    """
    return ANSWERS.get(key) or ANSWERS.get(key.partition(".")[0].replace("-", "_"))
