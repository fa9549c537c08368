"""A trained model measured by `vision validate` or `test` in this process, and its report.

A callback collects what the report shows: the numbers are the same by construction.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vision.callbacks.results.evaluation_records import EvaluationRecords
from vision.cli.app import VisionCLI, run
from vision.cli.trained import Trained, arguments_for, locate, read_description
from vision.files import relative_path
from vision.line_width import break_parts, line_width
from vision.outputs import check_output_folder
from vision.program import this_command
from vision.report.against import find_report, read_report, report_folder, require_kind
from vision.report.build import PAGE, Subject, images_text, write_report
from vision.report.parts import EvaluatedData
from vision.tasks.base import BaseTask

COMMANDS = {"val": "validate", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How a model is evaluated.

    Attributes:
        split: `"val"` or `"test"`.
        configs: Configs in place of the run's own; later ones win.
        out: Folder of the report; None uses that of the run.
        against: Another run, or its report file, to compare with.
        limit: About how many images to evaluate, in whole batches; None for all.
        task: Class of the model's task if it is not one of the suite's.
        more: Further options of `vision validate`.
    """

    split: str = "val"
    configs: Sequence[str] = ()
    out: Path | None = None
    against: Path | None = None
    limit: int | None = None
    task: type[BaseTask] | None = None
    more: Sequence[str] = ()


def evaluate_model(source: str, options: EvaluationOptions, show: Callable[[str], None]) -> None:
    """Evaluate a model and write its report.

    Args:
        source: As `locate` accepts it.
        options: How.
        show: Takes the lines that are printed: the metrics, and where the report is.

    Raises:
        ConfigError: There is no such model, or an option does not fit it.
        DataError: There is nothing to compare with, or it belongs to another task.
    """
    trained = locate(source)
    against = _report_to_compare(options, show)
    described = read_description(trained.file)
    if against is not None and described is not None and described["kind"]:
        require_kind(read_report(against), described["kind"])
    home = trained.run or trained.file.parent
    for part in (False, True):
        planned = options.out or home / report_folder(options.split, part=part)
        check_output_folder(planned, option="--out", levels=0)
    with arguments_for(trained, options.configs, options.task) as arguments:
        records = EvaluationRecords(limit=options.limit)
        command = COMMANDS[options.split]
        arguments = [*arguments, "--verbose", "false", *options.more]
        cli = run(command, arguments, callbacks=[records])
    if records.record is None:  # not the first process
        return
    # Only now it is known whether the images are a part of the set.
    limited = records.record.part_of is not None
    folder = options.out or home / report_folder(options.split, part=limited)
    dataset = getattr(cli.datamodule, f"{options.split}_dataset", None)
    data = EvaluatedData(dataset, cli.datamodule)
    report = write_report(folder, records.record, _subject(cli, trained), data, against=against)
    for name, value in report["metrics"].items():
        show(f"{name:<24} {value:.4f}")
    page = relative_path(folder / PAGE)
    said = [f"{images_text(report)}; the report is", page]
    show("\n".join(break_parts(said, line_width(), gap=" ")))


def _report_to_compare(options: EvaluationOptions, show: Callable[[str], None]) -> Path | None:
    """The report file to compare with; a run without one is evaluated in the same way first."""
    if options.against is None:
        return None
    found = find_report(options.against, options.split)
    if found is None:
        show(f"{options.against} has no report yet: it is evaluated first.")
        own = replace(options, against=None, out=None, configs=())
        evaluate_model(str(options.against), own, show)
        found = find_report(options.against, options.split, part=True)
    if found is not None:
        read_report(found)  # a wrong file is an error before the work
    return found


def _subject(cli: VisionCLI, trained: Trained) -> Subject:
    """What was evaluated, for the report."""
    data = cli.options["data"]["init_args"].as_dict()
    plain = {
        key: value for key, value in data.items() if isinstance(value, bool | int | float | str)
    }
    return Subject(
        description=read_description(trained.file) or cli.model.describe(),
        parameters=sum(parameter.numel() for parameter in cli.model.parameters()),
        data={"name": type(cli.datamodule).__name__, **plain},
        checkpoint=trained.file,
        run=trained.run,
        command=shlex.join(this_command()),
    )
