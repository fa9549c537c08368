"""Names of a package that are imported when they are first used (PEP 562)."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package.

    Args:
        package: Name of the package.
        modules: Public name -> the module that defines it; a module itself goes by its own name.

    Returns:
        The two functions, to be assigned at the top level of the package.
    """

    def resolve(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        path = modules[name]
        module = importlib.import_module(path)
        return module if path == f"{package}.{name}" else getattr(module, name)

    def names() -> list[str]:
        return sorted(modules)

    return resolve, names
