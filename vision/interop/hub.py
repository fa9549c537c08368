"""Publish to the Hugging Face hub: a folder with model, description, card and config."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from vision.contracts.models import ModelDescription
from vision.documents.json_writing import to_json
from vision.errors import ConfigError, WeightsError
from vision.files import replace_file, write_text
from vision.interop.model_card import CardOptions, model_card, plain_config
from vision.weights.model_file import write_model

MODEL, CONFIG, CARD, RUN_CONFIG = "model.safetensors", "config.json", "README.md", "config.yaml"
FILES = (MODEL, CONFIG, CARD, RUN_CONFIG)


class HubApi(Protocol):
    """The methods of `huggingface_hub.HfApi` that are used."""

    def create_repo(self, repo_id: str, *, exist_ok: bool, private: bool | None) -> Any:
        """Create a repository."""

    def upload_folder(
        self,
        *,
        repo_id: str,
        folder_path: str,
        allow_patterns: list[str],
        commit_message: str,
    ) -> Any:
        """Upload the files of a folder."""


def write_folder(
    folder: str | os.PathLike[str],
    state: Mapping[str, Tensor],
    description: ModelDescription,
    *,
    card: CardOptions | None = None,
    run_config: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the folder; `vision.load` reads it.

    Args:
        folder: The folder, created if absent. Files of an earlier call are replaced; others stay.
        state: Tensors of the whole task by key.
        description: Their description; local paths in it are cut to file names.
        card: Options of the model card.
        run_config: The resolved config of the run, to copy; None copies nothing.

    Returns:
        The folder.

    Raises:
        WeightsError: A file cannot be written.
    """
    folder, config = Path(folder), Path(run_config) if run_config else None
    description = _without_folders(description)
    options = replace(card or CardOptions(), has_config=config is not None)
    write_model(folder / MODEL, state, description)
    try:
        text = to_json(plain_config(description), indent=2)
        write_text(folder / CONFIG, text + "\n")
        write_text(folder / CARD, model_card(description, options))
        if config is None:
            (folder / RUN_CONFIG).unlink(missing_ok=True)
        else:
            replace_file(folder / RUN_CONFIG, lambda path: shutil.copyfile(config, path))
    except OSError as error:
        raise WeightsError(f"the folder '{folder}' cannot be written: {error}") from error
    return folder


def check_repo(repo: str) -> None:
    """Check that a text names a repository of the hub.

    Raises:
        ConfigError: It is not of the form owner/name.
    """
    part = r"[A-Za-z0-9][A-Za-z0-9._-]*"
    if not re.fullmatch(f"{part}/{part}", repo):
        raise ConfigError(
            f"{repo[:80]!r} is not a repository of the hub; expected owner/name of letters, digits "
            "and - _ ."
        )


def _without_folders(description: ModelDescription) -> ModelDescription:
    """Cut the local path of the initial weights to the file name."""
    pretrained, weights = description["pretrained"], description["weights"]
    return {
        **description,
        "pretrained": _file_name(pretrained) if isinstance(pretrained, str) else pretrained,
        "weights": _file_name(weights) if weights else weights,
    }


def _file_name(source: str) -> str:
    return source if "://" in source else Path(source).name


def push_folder(
    folder: str | os.PathLike[str],
    repo: str,
    *,
    private: bool = False,
    api: HubApi | None = None,
) -> None:
    """Upload a folder of `write_folder` to the hub; the repository is created if absent.

    Args:
        folder: The folder; only files that `write_folder` writes are uploaded.
        repo: `"owner/name"`.
        private: Whether a new repository is private.
        api: Client of the hub; None uses `huggingface_hub.HfApi()` with the user's own login.

    Raises:
        ConfigError: `repo` is not the name of a repository.
        WeightsError: The folder holds no model, or the hub refuses it.
    """
    folder = Path(folder)
    check_repo(repo)
    if not (folder / MODEL).is_file():
        raise WeightsError(f"'{folder}' holds no {MODEL}; write it with write_folder first.")
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    try:
        api.create_repo(repo, exist_ok=True, private=private or None)
        api.upload_folder(
            repo_id=repo,
            folder_path=str(folder),
            allow_patterns=list(FILES),
            commit_message="Add the model",
        )
    # The hub's library and its HTTP clients share no base class of errors.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise WeightsError(
            f"{repo} could not be sent to the hub: {reason}. Log in with: hf auth login"
        ) from error
