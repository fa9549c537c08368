"""What is wrong with the settings of a user: unknown, misplaced or mistyped options."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from vision.cli.config_files import config_advice
from vision.cli.lightning_words import answer
from vision.cli.names import CLASSES, WHAT
from vision.cli.option_table import Option
from vision.cli.plain_values import is_possible
from vision.cli.settings import COMMAND_LINE, INIT_ARGS, Setting, files_of
from vision.errors import shown, suggest

NEAR = 0.6
Judge = Callable[[Setting, Option], str | None]


def find_mistake(
    settings: Sequence[Setting],
    options: Mapping[str, Option],
    chosen: Collection[str],
    judge: Judge,
) -> str | None:
    """The first setting that names no option, is misplaced, or has a wrong value.

    Args:
        settings: Everything that the user has set.
        options: The options by key, with those of the chosen task and dataset.
        chosen: The groups, `"model"` and `"data"`, whose class is chosen and known.
        judge: Says what is wrong with a value; None if nothing is.

    Returns:
        A message that names the key, the value, where it was set, and the nearest or expected.
    """
    for setting in settings:
        if problem := _problem(setting, options, chosen, judge):
            return problem
    return None


def absent_classes(command: str, groups: Iterable[str], settings: Sequence[Setting]) -> str | None:
    """The message where no task or no dataset is chosen.

    Args:
        command: Name of the command, such as `"fit"`.
        groups: The groups, `"model"` and `"data"`, that are chosen.
        settings: Everything that the user has set.
    """
    absent = [group for group in CLASSES if group not in groups]
    if not absent:
        return None
    return (
        f"{command} needs a {' and a '.join(WHAT[group] for group in absent)}: give a config "
        "with --config FILE.yaml, "
        f"or name {'it' if len(absent) == 1 else 'them'} with "
        f"{' '.join(f'--{group} {next(iter(CLASSES[group]))}' for group in absent)}.\n"
        + config_advice(files_of(settings))
    )


def absent_option(
    settings: Sequence[Setting], options: Iterable[Option], names: Mapping[str, str]
) -> str | None:
    """The message where an option that a task or dataset needs is not given.

    Args:
        settings: Everything that the user has set.
        options: The options.
        names: Name of the class of each chosen group.
    """
    given = {setting.plain_key for setting in settings}
    for option in options:
        group = option.key.partition(".")[0]
        if option.required and group in names and option.key not in given:
            return f"{names[group]} needs {option.key}: give it with --{option.key} VALUE."
    return None


def judge_plainly(setting: Setting, option: Option) -> str | None:
    """A `Judge` of plain types, which leaves others to the parser."""
    if not option.accepts:
        return None
    if needs_value(setting):
        return without_value(option)
    return None if is_possible(setting.value, option) else wrong_value(setting, option)


def needs_value(setting: Setting) -> bool:
    """Whether an option of the command line has no value."""
    return setting.value is None and setting.source == COMMAND_LINE


def without_value(option: Option) -> str:
    """The message for an option of the command line without a value."""
    return f"--{option.key} needs a value: {option.type}."


def wrong_value(setting: Setting, option: Option) -> str:
    """The message for a value of another type."""
    near = suggest(str(setting.value), [str(one) for one in option.literals])
    return (
        f"{option.key} must be {option.type}; got {shown(setting.value)} ({setting.source}).{near}"
    )


def _problem(
    setting: Setting, options: Mapping[str, Option], chosen: Collection[str], judge: Judge
) -> str | None:
    key = setting.plain_key.removesuffix("+")
    group = key.partition(".")[0]
    inside = [option for option in options if key.startswith(f"{option}.")]
    # A group (of a dataclass) has options of its own; any other value hides what it holds.
    own = [option for option in options if not option.endswith(".help")]
    inside = [name for name in inside if not any(o.startswith(f"{name}.") for o in own)]
    if group in CLASSES:
        structural = setting.key in (group, f"{group}.class_path", f"{group}.init_args")
        # Without a class its options are not known; inside a value they are its own affair.
        if structural or group not in chosen or inside:
            return None
        from_file_misplaced = setting.source != COMMAND_LINE and INIT_ARGS not in setting.key
        if key in options and from_file_misplaced:
            right = key.replace(".", INIT_ARGS, 1)
            return f"'{key}' ({setting.source}) belongs one level deeper: '{right}'."
    elif inside:
        return None
    if key in options:
        return None if key in CLASSES else judge(setting, options[key])
    if any(option.startswith(f"{key}.") for option in options):
        return f"'{key}' ({setting.source}) is a group of options: set one of them, {key}.KEY."
    instead = answer(key)
    remedy = f" Here {instead}" if instead else nearest_option(key, options)
    return f"there is no option '{key}' ({setting.source}).{remedy}"


def nearest_option(key: str, options: Iterable[str]) -> str:
    """`" Did you mean 'a' or 'b'?"` for a misspelt key; empty if nothing is near."""
    leaf = key.rpartition(".")[2]

    def closeness(option: str) -> float:
        whole = difflib.SequenceMatcher(None, key, option).ratio()
        own_leaf = option.rpartition(".")[2]
        # A key that is right but for its group should be found: lr for model.optim.lr.
        return max(whole, difflib.SequenceMatcher(None, leaf, own_leaf).ratio() - 0.01)

    ranked = sorted(options, key=closeness, reverse=True)
    best = [option for option in ranked[:2] if closeness(option) >= NEAR]
    if len(best) == 2 and closeness(best[0]) - closeness(best[1]) > 0.1:
        best = best[:1]
    return f" Did you mean {' or '.join(repr(option) for option in best)}?" if best else ""
