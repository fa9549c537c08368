"""What `--help` shows of a training command: one screen, and the options of a topic."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from vision.cli.option_table import Choice, Option, option_table
from vision.errors import ConfigError, listed, suggest
from vision.line_width import SCREEN, break_command
from vision.program import command as command_line

ALL = "all"
# What people change, with what it is in a few words; the short form where there is one.
COMMON = (
    ("--config FILE", "", "YAML config or name; the last one wins"),
    ("--name NAME", "", "the run goes to runs/NAME/version_N"),
    ("--data.root FOLDER", "", "where the dataset is"),
    ("--model.backbone NAME", "", "such as swin_tiny, or timm/NAME"),
    ("--trainer.max_epochs N", "--epochs", "length of the training"),
    ("--data.batch_size N", "--batch-size", "samples per batch and device"),
    ("--model.optim.lr X", "--lr", "learning rate after the warm-up"),
    ("--trainer.devices N", "--devices", "number of GPUs or processes"),
    ("--trainer.precision P", "", "such as bf16-mixed"),
    ("--ckpt_path PATH", "--resume", "a checkpoint, or best or last"),
)
TRAINING = ("--trainer.max_epochs N", "--model.optim.lr X")
EXAMPLES = {
    "fit": (
        "--config digits/convnext_linear --epochs 5",
        "--config runs/NAME/version_0/config.yaml --resume",
        "--model Classification --data ImageFolder --data.root photos",
    ),
    "validate": ("--config runs/NAME/version_0/config.yaml --ckpt_path best",),
    "test": ("--config runs/NAME/version_0/config.yaml --ckpt_path best",),
    "predict": (
        "--config runs/NAME/version_0/config.yaml --ckpt_path best --data.predict_root DIR",
    ),
}
TOPICS = (
    ("data", "the datasets, and the options of the chosen one"),
    ("data.ImageFolder", "the options of a dataset"),
    ("model", "the tasks, and the options of the chosen one"),
    ("model.optim", "a group: learning rate, schedule, weight decay"),
    ("trainer", "the options of Lightning's trainer"),
    (ALL, "every option"),
)
WIDTHS = (60, 100)  # of the options of a topic


def command_help(command: str, about: str) -> str:
    """The screen of a command.

    Args:
        command: Name of the command.
        about: What it does, in a few words.
    """
    start = command_line(command, trained=True)
    lines = [f"usage: {start} --config FILE [--KEY VALUE ...]", "", f"{_sentence(about)}", ""]
    lines.append("Options that are often changed (an option may be written with - or _):")
    for option, short, what in COMMON:
        if command != "fit" and option in TRAINING:
            continue
        lines.append(f"  {option:<23} {short:<13} {what}".rstrip())
    lines += ["", "  --print_config          print the resolved config and exit", "", "Examples:"]
    for example in EXAMPLES[command]:
        lines += [f"  {line}" for line in break_command(f"{start} {example}", SCREEN - 2)]
    lines += ["", "More help:"]
    width = max(len(topic) for topic, _ in TOPICS)
    lines += [f"  --help {topic:<{width}}  {what}" for topic, what in TOPICS]
    return "\n".join(lines) + "\n"


def topic_help(command: str, topic: str, chosen: Mapping[str, tuple[str, Choice]]) -> str:
    """The options of a topic.

    Args:
        command: Name of the command.
        topic: `"all"`, `"trainer"`, `"model"`, `"data"`, a class such as `"data.ImageFolder"`, a
            group of options such as `"model.optim"`, or an option.
        chosen: Name and options of the chosen task (`"model"`) and dataset (`"data"`).

    Raises:
        ConfigError: There is no such topic.
    """
    table = option_table()
    if topic == ALL:
        return "\n".join(_everything(command))
    group, _, rest = topic.partition(".")
    if topic in table.classes:
        return "\n".join(_overview(topic, chosen.get(topic)))
    if group in table.classes and rest in table.classes[group]:
        return "\n".join(_class_lines(group, rest, table.classes[group][rest]))
    found = [option for option in _options(command, chosen) if _is_in(option.key, topic)]
    if not found:
        raise ConfigError(_unknown(command, topic, chosen))
    return "\n".join([f"options of {topic}:", *option_lines(found)]) + "\n"


def _everything(command: str) -> Iterator[str]:
    table = option_table()
    yield f"options of {command}:"
    yield from option_lines(table.commands[command])
    yield "\noptions of --trainer:"
    yield from option_lines(table.trainer)
    for group, choices in table.classes.items():
        for name, choice in choices.items():
            yield ""
            yield from _class_lines(group, name, choice)


def _overview(group: str, chosen: tuple[str, Choice] | None) -> Iterator[str]:
    """The classes of a group, and the options of the chosen one."""
    choices = option_table().classes[group]
    width = max(map(len, choices))
    yield f"--{group} NAME: one of these, or the import path of a class of your own"
    for name, choice in choices.items():
        yield from _wrapped(f"  {name:<{width}}  {choice.about}", width + 4)
    yield f"\n--help {group}.NAME lists the options of one."
    if chosen is not None:
        yield ""
        yield from _class_lines(group, *chosen)


def _class_lines(group: str, name: str, choice: Choice) -> Iterator[str]:
    yield f"options of --{group} {name}: {choice.about}"
    yield from option_lines(choice.options)


def option_lines(options: Iterable[Option], *, without: str = "") -> Iterator[str]:
    """What help says about options.

    Args:
        options: The options.
        without: Beginning of their keys to leave out.
    """
    for option in options:
        yield f"  --{option.key.removeprefix(without)} {option.type}".rstrip()
        about = [_sentence(option.help)] if option.help else []
        if option.required:
            about.append("Required.")
        elif option.accepts:
            about.append(f"Default: {_shown(option.default)}.")
        if about:
            yield from _wrapped(f"      {' '.join(about)}", 6)


def _options(command: str, chosen: Mapping[str, tuple[str, Choice]]) -> list[Option]:
    """Options of a command, with those of the chosen classes, else of all."""
    table = option_table()
    options = {option.key: option for option in (*table.commands[command], *table.trainer)}
    for group, choices in table.classes.items():
        known = [chosen[group][1]] if group in chosen else choices.values()
        for choice in known:
            options |= {one.key: one for one in choice.options if one.key not in options}
    return list(options.values())


def _is_in(key: str, topic: str) -> bool:
    return key == topic or key.startswith(f"{topic}.")


def _unknown(command: str, topic: str, chosen: Mapping[str, tuple[str, Choice]]) -> str:
    table = option_table()
    keys = [option.key for option in _options(command, chosen)]
    names = [f"{group}.{name}" for group, choices in table.classes.items() for name in choices]
    known = [topic for topic, _ in TOPICS]
    near = suggest(topic, [*known, *names, *keys])
    return f"there is no help on '{topic}'.{near} Topics: {listed(known, maximum=6)}."


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", ":")) else f"{text}."


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "null" if default is None else str(default)


def _wrapped(text: str, indent: int) -> list[str]:
    width = min(max(shutil.get_terminal_size().columns, WIDTHS[0]), WIDTHS[1])
    return textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
