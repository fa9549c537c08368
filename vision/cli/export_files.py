"""Where an export is written by default, and whose file it replaces."""

import os
from pathlib import Path
from typing import Any

from vision.cli.model_files import WEIGHTS
from vision.cli.runs import CHECKPOINTS
from vision.cli.trained import locate
from vision.documents.json_text import read_json
from vision.errors import DataError
from vision.export.sidecar import sidecar_path
from vision.files import fit_name
from vision.line_width import break_parts, line_width


def default_export_file(source: str, suffix: str, *, backbone: bool) -> Path:
    """The file of an export for which none is named.

    A model of a run is exported into the folder `weights` of the run, under the names of run and
    file: `runs/digits/version_0/weights/digits_version_0_best.onnx`. Any other file is exported
    beside itself, a backbone or a model of the hub into the current folder.

    Args:
        source: A trained model, or the name of a backbone.
        suffix: Suffix of the format.
        backbone: Whether only the backbone of the model is exported.

    Raises:
        ConfigError: The source is a folder without a model.
    """
    part = "_backbone" if backbone else ""
    if not os.path.exists(source):
        return Path(fit_name(f"{Path(source).name}{part}{suffix}"))
    trained = locate(source)
    if trained.run is None:
        found = trained.file.with_name(fit_name(f"{trained.file.stem}{part}{suffix}"))
        # Never over the model itself.
        return found if found != trained.file else found.with_stem(f"{found.stem}_exported")
    run = trained.run
    own = trained.file.parent
    folder = own.with_name(WEIGHTS) if own.name == CHECKPOINTS else own
    return folder / fit_name(f"{run.parent.name}_{run.name}_{trained.file.stem}{part}{suffix}")


def replaced_export(out: Path, source: str) -> list[str]:
    """Lines that say that an export replaces a file, and of which model it is; none if it does not.

    Args:
        out: The file to be written.
        source: What is exported, as it is recorded beside the file.
    """
    if not out.exists():
        return []
    before = _recorded_source(out)
    whose = f"of another model, {before}" if before else "of an unknown model"
    if before == source:
        whose = "of the same model"
    said = [f"{out}", "was there before,", f"{whose}: it is replaced."]
    return break_parts(said, line_width(), gap=" ")


def recorded_source(source: str) -> str:
    """A source as it is recorded: a file by its path, without the folders above the current one."""
    return os.path.relpath(source) if os.path.exists(source) else source


def _recorded_source(out: Path) -> str | None:
    try:
        facts: Any = read_json(sidecar_path(out))
    except DataError:
        return None
    source = facts.get("source") if isinstance(facts, dict) else None
    return source if isinstance(source, str) else None
