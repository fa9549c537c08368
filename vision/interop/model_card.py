"""Write the model card of a trained model for the Hugging Face hub, from its description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vision.backbones.registry import input_of
from vision.contracts.models import ModelDescription
from vision.documents.json_writing import to_json
from vision.interop.citations import papers_of
from vision.interop.markdown import code, text
from vision.kinds import DESIGNS, TASKS, Hub, HubMetric
from vision.task_parts import read_column
from vision.weights.index import published_weights
from vision.wording import counted

LIBRARY = "vision-suite"
# What an example predicts, by what the backbone encodes.
_SOURCES = {"image": "image.jpg", "volume": "volume.nii.gz", "points": "points.npy"}
_MAX_NAMES = 1000
# Arguments left out of the recipe: the architecture is shown elsewhere, and the initial weights may
# be a path on the author's machine.
_NOT_RECIPE = {"backbone", "class_names", "num_classes", "pretrained", "weights", "mean", "std"}


@dataclass(frozen=True)
class CardOptions:
    """Options of a model card: what the description does not contain.

    Attributes:
        name: Name of the model; None joins backbone and task.
        licence: Identifier of the licence, such as `"apache-2.0"`; None if not stated.
        dataset: Dataset of training and validation, as an id of the hub if possible; None uses the
            name of the datamodule.
        repo: `"owner/name"` on the hub; None if not known yet.
        has_config: Whether the resolved config of the run is beside the card.
        hub: The hub's name of the task; None uses it from `vision.kinds`.
    """

    name: str | None = None
    licence: str | None = None
    dataset: str | None = None
    repo: str | None = None
    has_config: bool = False
    hub: Hub | None = None


def model_card(description: ModelDescription, options: CardOptions) -> str:
    """Write the card: the hub's front matter, then text in Markdown.

    Args:
        description: Description in the model's file.
        options: What the description does not contain.

    Returns:
        The text of `README.md`. Unknown facts are stated as unknown, or left out.
    """
    from huggingface_hub import ModelCardData

    kind = _kind(description)
    hub = options.hub or _column(description, "hub")
    pipeline = hub.pipeline if hub else None
    results = _results(description, options, pipeline or kind, hub.metrics if hub else {})
    tags = [LIBRARY, hub.tag if hub else kind, description["backbone"], *_parts(description)]
    tags += [tag for metric, tag in _metric_tags(hub) if _has_metric(description, metric)]
    data = ModelCardData(
        license=options.licence,
        library_name=LIBRARY,
        pipeline_tag=pipeline,
        tags=list(dict.fromkeys(tags)),
        datasets=[options.dataset] if options.dataset else None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=_name(description, options) if results else None,
        eval_results=results or None,
    )
    sections = {
        "Use": _use(description, options),
        "Data and classes" if _has_classes(description) else "Data": _classes(description, options),
        "Results": _metrics_table(description),
        "Preprocessing": _preprocessing(description),
        "Recipe": _recipe(description, options),
        "Limitations": _limitations(description),
        "Licence": _licence(description, options),
        "Citation": _citation(description),
    }
    body = "\n\n".join(f"## {title}\n\n{part}" for title, part in sections.items() if part)
    return f"---\n{data.to_yaml().strip()}\n---\n\n{_head(description, options)}\n\n{body}\n"


def _kind(description: ModelDescription) -> str:
    return description["kind"] or description["task"].lower()


def _column(description: ModelDescription, name: str) -> Any:
    """A column of the model's kind, for what its backbone encodes."""
    return read_column(_kind(description), name, reads=input_of(description["backbone"]))


def _purpose(description: ModelDescription) -> str:
    """What the model is for, in the hub's words if it has any."""
    hub = _column(description, "hub")
    return hub.tag.replace("-", " ") if hub else _kind(description)


def _parts(description: ModelDescription) -> list[str]:
    arguments = description["hyper_parameters"]
    return [str(arguments[name]) for name in DESIGNS if arguments.get(name)]


def _metric_tags(hub: Hub | None) -> list[tuple[str, str]]:
    metrics = hub.metrics.items() if hub else ()
    return [(name, metric.tag) for name, metric in metrics if metric.tag is not None]


def _has_metric(description: ModelDescription, metric: str) -> bool:
    return any(name.endswith(metric) for name in description["metrics"])


def _name(description: ModelDescription, options: CardOptions) -> str:
    words = [description["backbone"], *_parts(description), _kind(description)]
    return options.name or " ".join(words)


def _dataset(description: ModelDescription, options: CardOptions) -> str | None:
    if options.dataset:
        return options.dataset
    return description["data"].rpartition(".")[2] if description["data"] else None


def _results(
    description: ModelDescription,
    options: CardOptions,
    task: str,
    metrics: Mapping[str, HubMetric],
) -> list[Any]:
    """The metrics as the hub's results; none without a dataset to attach them to."""
    from huggingface_hub import EvalResult

    dataset = _dataset(description, options)
    if dataset is None:
        return []
    results = []
    for key, value in description["metrics"].items():
        stage, _, name = key.partition("/")
        if name in metrics:
            results.append(
                EvalResult(
                    task_type=task,
                    dataset_type=dataset.lower(),
                    dataset_name=dataset,
                    dataset_split={"val": "validation"}.get(stage, stage),
                    metric_type=metrics[name].type,
                    metric_name=metrics[name].name,
                    metric_value=round(value, 6),
                )
            )
    return results


def _head(description: ModelDescription, options: CardOptions) -> str:
    names = [description["backbone"], *_parts(description)]
    built = " with ".join(map(code, names))
    averages = " The weights are averages over the training (EMA)."
    return (
        f"# {text(_name(description, options))}\n\n"
        f"A model for {text(_purpose(description))}: {built}, trained for "
        f"{text(description['step'])} steps ({text(description['epoch'])} whole epochs) with "
        f"version {text(description['version'])} of "
        f"{LIBRARY}.{averages if description['averaged'] else ''}"
    )


def _use(description: ModelDescription, options: CardOptions) -> str:
    address = options.repo or "OWNER/NAME"
    # A class from outside the suite must be imported by the reader.
    own = "" if description["task"] in TASKS else f", task={description['task']}"
    needs = _column(description, "predict_needs")
    source = _SOURCES[input_of(description["backbone"])]
    option, _, value = needs.removeprefix("--").partition(" ")
    more = f', {option}="{value}"' if needs else ""
    return (
        "```python\nimport vision\n\n"
        f'model = vision.load("hf://{address}"{own})\n'
        f'for result in model.predict("{source}"{more}):\n    print(result.to_dict())\n```\n\n'
        "A local copy of this folder loads by its path. Nothing in it is executed: "
        "`model.safetensors` holds tensors and, in its header, the description of the model that "
        "`config.json` repeats."
    )


def _has_classes(description: ModelDescription) -> bool:
    count = description["hyper_parameters"].get("num_classes")
    return bool(description["class_names"] or count)


def _classes(description: ModelDescription, options: CardOptions) -> str:
    dataset = _dataset(description, options)
    lines = [f"Data: {text(dataset)}." if dataset else "Data: not stated."]
    names = description["class_names"]
    if not _has_classes(description):
        return lines[0]
    count = description["hyper_parameters"].get("num_classes")
    if names is None:
        lines.append(f"Classes: {text(count)}, whose names are not stated." if count else "")
    else:
        shown = ", ".join(map(text, names[:_MAX_NAMES]))
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        lines.append(f"{counted(len(names), 'classes')} by index: {shown}{more}.")
    return "\n\n".join(line for line in lines if line)


def _metrics_table(description: ModelDescription) -> str:
    metrics = description["metrics"]
    if not metrics:
        return "The file of the model states none."
    said = (
        f"Validation results of this checkpoint (epoch {description['epoch']}, step "
        f"{description['step']}):"
    )
    rows = [f"| {text(name)} | {value:.6g} |" for name, value in sorted(metrics.items())]
    return "\n".join([said, "", "| metric | value |", "|---|---|", *rows])


def _preprocessing(description: ModelDescription) -> str:
    given = description["input"]
    lines = []
    if "mean" in given:  # points and volumes have none
        lines = [
            "- values in [0, 1], RGB; mean "
            f"{_numbers(given['mean'])}, standard deviation {_numbers(given['std'])}"
        ]
    resize = description["preprocessing"]
    if resize:
        lines.append(
            "- " + ", ".join(f"{text(key)} {text(value)}" for key, value in resize.items())
        )
    lines.append("`model.predict` does this.")
    return "\n".join(lines[:-1]) + "\n\n" + lines[-1]


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _recipe(description: ModelDescription, options: CardOptions) -> str:
    arguments = {k: v for k, v in description["hyper_parameters"].items() if k not in _NOT_RECIPE}
    start = _start(description)
    shown = f"Arguments of the task:\n\n```json\n{to_json(arguments, indent=2)}\n```"
    return f"{start}\n\n{shown}" + (
        "\n\nThe whole config is in `config.yaml`." if options.has_config else ""
    )


def _start(description: ModelDescription) -> str:
    """The initial weights of the training; paths on the author's machine are not shown."""
    if description["weights"]:
        return "The training started from weights of the whole task."
    if description["pretrained"] is True:
        return (
            f"The training started from the published weights of {code(description['backbone'])}."
        )
    if description["pretrained"]:
        return "The training started from weights of the backbone."
    return "The training started from random weights."


def _limitations(description: ModelDescription) -> str:
    measured = "the validation above" if description["metrics"] else "none is stated"
    return (
        f"Known evaluation: {measured}. Other data, robustness, fairness between groups of "
        "people, and safety in any use were not examined."
    )


def _licence(description: ModelDescription, options: CardOptions) -> str:
    stated = (
        f"{text(options.licence)}."
        if options.licence
        else "Not stated by the author of this model."
    )
    entry = published_weights().get(description["backbone"])
    if description["pretrained"] is not True or entry is None:
        return stated
    licences = ", ".join(sorted({source.licence for source in entry.sources}))
    data = ", ".join(sorted({source.dataset for source in entry.sources}))
    return (
        f"{stated}\n\nThe published weights that it started from: {licences} by their publishers, "
        f"trained on {data}."
    )


def _citation(description: ModelDescription) -> str:
    papers = papers_of(description["backbone"], _parts(description))
    entries = "\n\n".join(paper.bibtex() for paper in papers)
    return f"```bibtex\n{entries}\n```" if papers else ""


def plain_config(description: ModelDescription) -> Mapping[str, Any]:
    """The contents of `config.json`: the description, and the library that reads it."""
    return {"library_name": LIBRARY, "architectures": [description["task"]], **description}
