"""Constructor options of published implementations, translated to ours.

Reads the options of an author's code, timm or a Hugging Face configuration, so that a published
model is built from its own description. An option that is not supported is refused by name; none is
ignored silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vision.errors import ConfigError
from vision.weights.names.families import family_module

Source = Literal["official", "timm", "huggingface"]


@dataclass(frozen=True)
class PublishedModel:
    """A published model in our terms.

    Attributes:
        options: Keywords for `create_backbone(family, **options)`.
        num_classes: Classes of its linear classifier; None if it has none.
    """

    options: dict[str, Any] = field(default_factory=dict)
    num_classes: int | None = None


class OptionReader:
    """Takes options out of a published description one by one, so that what is left is unknown.

    Args:
        options: The published keyword arguments.
        owner: Their class, for the errors.
    """

    def __init__(self, options: Mapping[str, Any], *, owner: str) -> None:
        self._left = dict(options)
        self._owner = owner

    def take(self, name: str, default: Any = None) -> Any:
        """Remove an option and return its value, or `default` if it is absent."""
        return self._left.pop(name, default)

    def rename(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Take the options that are present among `names` (theirs -> ours), under our names."""
        return {ours: self._left.pop(name) for name, ours in names.items() if name in self._left}

    def expect(self, name: str, *allowed: Any) -> None:
        """Take an option that may be absent, or must have one of the allowed values.

        Raises:
            ConfigError: It has another value.
        """
        if name in self._left and (value := self._left.pop(name)) not in allowed:
            raise ConfigError(
                f"{self._owner}: option '{name}' = {value!r} is not supported; supported: "
                f"{', '.join(map(repr, allowed))}."
            )

    def ignore(self, *names: str) -> None:
        """Drop options that change neither outputs nor training."""
        for name in names:
            self._left.pop(name, None)

    def finish(self) -> None:
        """Raise a `ConfigError` that names the options that were not taken."""
        if self._left:
            raise ConfigError(
                f"{self._owner}: unsupported option "
                + ", ".join(f"'{name}' = {value!r}" for name, value in sorted(self._left.items()))
                + "."
            )


def published_options(
    family: str, options: Mapping[str, Any], *, source: Source = "official"
) -> PublishedModel:
    """Translate the constructor options of a published model.

    Args:
        family: One of the backbone families, such as `"swin"`.
        options: Keyword arguments of the published class; of its configuration for Hugging Face.
        source: Whose class they belong to.

    Returns:
        Our options and the number of classes.

    Raises:
        ConfigError: The family is unknown, or an option or a value is not supported.
    """
    reader = OptionReader(options, owner=f"{source} {family}")
    model = family_module(family).read_options(reader, source)
    reader.finish()
    return model
