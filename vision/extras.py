"""The optional packages of the suite, and the line that installs them.

The line names what the suite itself was installed from: a clone, a folder, a wheel, a repository or
an index. An index may hold another project of this name, so it is named only where the suite came
from one.
"""

import json
import shlex
import shutil
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlparse

from vision.files import relative_path
from vision.program import CLONE, python

DISTRIBUTION = "vision-suite"


def installed_suite() -> Distribution | None:
    """The metadata of the installed suite; None where it only lies on Python's path."""
    try:
        return distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return None


def install_line(extra: str) -> str:
    """The command that installs the packages of an extra into this environment.

    Args:
        extra: Name of the extra, such as `"export"`.

    Returns:
        A line for a shell, such as `pip install -e ".[export]"`.
    """
    suite = installed_suite()
    text = None if suite is None else suite.read_text("direct_url.json")
    found = None if suite is None else json.loads(text or "{}")
    return f"{_pip()} install {_what(extra, found)}"


def _what(extra: str, found: dict | None) -> str:
    """What pip is to install.

    Args:
        extra: Name of the extra.
        found: What the suite was installed from (PEP 610); empty for an index, None if it is not
            installed.
    """
    named = f"{DISTRIBUTION}[{extra}]"
    if found is None:
        return f'-e "{relative_path(CLONE)}[{extra}]"'
    if not found:
        return f'"{named}"'
    url = found["url"]
    path = Path(unquote(urlparse(url).path)) if urlparse(url).scheme == "file" else None
    if "vcs_info" in found:
        vcs = found["vcs_info"]
        return f'"{named} @ {vcs["vcs"]}+{url}@{vcs["commit_id"]}"'
    if path is not None and not path.exists():  # what it was installed from is gone
        return " ".join(f'"{one}"' for one in requirements(extra))
    if path is not None and "dir_info" in found:
        editable = "-e " if found["dir_info"].get("editable") else ""
        return f'{editable}"{relative_path(path)}[{extra}]"'
    return f'"{named} @ {url}"'


def requirements(extra: str | None) -> list[str]:
    """What the suite requires, as its metadata write it, such as `"onnx>=1.18"`.

    Args:
        extra: Name of an extra; None for what is always required.

    Returns:
        Without those of other extras that it names, and empty where the suite is not installed.
    """
    from packaging.requirements import Requirement

    suite, found = installed_suite(), []
    for text in (suite.requires or []) if suite is not None else []:
        required = Requirement(text)
        always = required.marker is None or required.marker.evaluate({"extra": ""})
        asked = required.marker is None or required.marker.evaluate({"extra": extra or ""})
        wanted = always if extra is None else asked and not always
        if wanted and required.name != DISTRIBUTION:
            found.append(f"{required.name}{required.specifier}")
    return found


def extras() -> list[str]:
    """Names of the extras; empty where the suite is not installed."""
    suite = installed_suite()
    return [] if suite is None else suite.metadata.get_all("Provides-Extra") or []


def _pip() -> str:
    """Pip of this interpreter, as a person would type it."""
    found = shutil.which("pip")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return "pip"
    return f"{shlex.quote(python())} -m pip"
