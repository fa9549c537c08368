"""Names of runs: folders below `--runs_dir`, which a name must not lead out of."""

from pathlib import Path

from vision.errors import ConfigError
from vision.files import MAX_NAME_BYTES
from vision.outputs import is_inside

RULE = (
    "give a name of letters, digits, and such characters as _ - = + and a dot or a blank between "
    f"them, of up to {MAX_NAME_BYTES} bytes"
)


def check_run_names(runs_dir: str, name: str, version: str | None) -> None:
    """Check that `--runs_dir/--name/--version` is a folder below `--runs_dir`.

    A name may have folders, as in `digits/small`; a version is one folder.

    Args:
        runs_dir: Folder that holds all runs.
        name: Name of the runs' folder.
        version: Name of the folder of one run; None for one that is yet to be chosen.

    Raises:
        ConfigError: A name is empty, leaves the folder, or is not valid for a folder.
    """
    if not runs_dir.strip() or "\0" in runs_dir:
        raise ConfigError(f"--runs_dir {runs_dir!r} is not the path of a folder.")
    for part in name.split("/"):
        if problem := _problem(part):
            raise ConfigError(
                f"--name {name[:80]!r}: {problem}; {RULE}. Folders, with '/' between them, lie "
                "below --runs_dir."
            )
    if version is not None and (problem := _problem(version)):
        raise ConfigError(f"--version {version[:80]!r}: {problem}; {RULE}.")
    folder = Path(runs_dir, name, version or "")
    if not is_inside(folder, runs_dir):
        raise ConfigError(
            f"{folder} is, or lies behind, a link that leads out of --runs_dir {runs_dir}: runs "
            f"are not written there. Give its own folder: --runs_dir {folder.resolve().parent}"
        )


def _problem(part: str) -> str:
    if not part or part in (".", ".."):
        return f"{part!r} is not the name of a folder"
    if "/" in part:
        return "it has a '/', and is one folder"
    # A shell takes "~" for the home folder, other systems "\\" for the end of a folder's name.
    if not part.isprintable() or "\\" in part or part.startswith("~"):
        return "it has a character that names of folders should not have"
    if part != part.strip() or part.endswith("."):
        return "it begins or ends in a blank, or ends in a dot"
    if len(part.encode()) > MAX_NAME_BYTES:
        return f"it has {len(part.encode()):,} bytes"
    return ""
