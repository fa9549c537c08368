"""Make an int8 ONNX model of a trained one, and measure what that costs.

    python tools/quantize.py runs/digits/version_0/checkpoints/best.ckpt
    python tools/quantize.py RUN --images 256 --limit 1000 --out small.onnx
    python tools/quantize.py best.safetensors --config RUN/config.yaml --data.root /data/flowers
    python tools/quantize.py CKPT --calibration percentile --keep-float '^/head' --most-drop 0.005

The datamodule is that of the run's `config.yaml`, or of `--config`; options such as `--data.root`
are given on to it. Ranges of activations come from training images, prepared like validation images
(`--calibrate val` takes validation images). Both models, float and int8, then run on the whole
validation set in onnxruntime: the metric of the task before and after, the sizes of the files and
the times of a batch are printed, and written beside the model as `.json`.

The exit status is 1 if the metric drops by more than `--most-drop` (the model is written all the
same), and 2 for a mistake that can be mended.

An exported detector takes one image of one size: images are put on a canvas of the mean colour that
holds all of them, or that of `--canvas`. There its average precision may differ a little from that
of `train.py validate`, whose images are not padded so far; float and int8 see the same.
"""

import argparse
import copy
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from vision.cli.app import run as run_command
from vision.cli.arguments import add_task, real, whole
from vision.cli.ending import Parser, end
from vision.data.base.datamodule import DataModule
from vision.errors import ConfigError
from vision.export.accuracy import alike, measure_accuracy
from vision.export.canvas import Run, on_canvas, put_on_canvas, usual_canvas
from vision.export.graph import Graph
from vision.export.onnx import OPSET, export_onnx, least_runtime, open_session, run_onnx
from vision.export.quantize import (
    OPERATORS,
    QuantizeOptions,
    quantize_onnx,
)
from vision.export.sidecar import export_facts, write_sidecar
from vision.export.whole import whole_model
from vision.outputs import check_output_file
from vision.predict.load import load
from vision.predict.model import Model
from vision.task_parts import find_part

ROOT = Path(__file__).parents[1]
DROPPED = 1
DYNAMIC = ("batch", "size")


def build_datamodule(model: Model, config: Path | None, more: Sequence[str]) -> DataModule:
    """The datamodule of a run, its validation set ready.

    Args:
        model: The loaded model.
        config: A config; None takes that of the run's folder.
        more: Options such as `--data.root`, as of `train.py validate`.

    Raises:
        ConfigError: There is no config, or it is not of this model.
    """
    assert model.path is not None, "it was loaded from a file"
    config = config or find_config(model.path)
    is_checkpoint = model.path.suffix == ".ckpt"
    weights = ["--ckpt_path" if is_checkpoint else "--model.weights", str(model.path)]
    # One batch on its way through the command, which writes nothing then.
    quick = ["--trainer.fast_dev_run", "1", "--verbose", "false"]
    quiet = ["--trainer.enable_progress_bar", "false"]
    hardware = ["--trainer.accelerator", "cpu", "--trainer.devices", "1"]
    options = ["--config", str(config), *weights, *quick, *quiet, *hardware, *more]
    return run_command("validate", options, root=ROOT).datamodule


def find_config(path: Path) -> Path:
    """The `config.yaml` of the run that a file lies in.

    Raises:
        ConfigError: There is none.
    """
    for folder in (path.parent, path.parent.parent):
        if (folder / "config.yaml").is_file():
            return folder / "config.yaml"
    raise ConfigError(
        f"there is no config.yaml beside '{path}' or above it, which would name the data. Give "
        "one: --config FILE."
    )


def calibration_images(data: DataModule, source: str, count: int) -> Iterator[Tensor]:
    """Images to calibrate with, as evaluation prepares them.

    Args:
        data: The datamodule.
        source: "train" or "val".
        count: Number of images; fewer where the set is smaller.

    Yields:
        uint8 `(1, 3, H, W)`: one at a time, since their sizes may differ.
    """
    data.setup("fit" if source == "train" else "validate")
    dataset: Any = copy.copy(data.train_dataset if source == "train" else data.val_dataset)
    if hasattr(dataset, "transform") and hasattr(data, "eval_transform"):
        dataset.transform = data.eval_transform
    elif hasattr(dataset, "augment"):
        dataset.augment = False
    # Spread over the set, whose order may be that of the classes.
    places = torch.linspace(0, len(dataset) - 1, min(count, len(dataset))).long().tolist()
    loader = DataLoader(dataset, sampler=places, collate_fn=data.collate)
    for batch in loader:
        for part in alike(batch):
            yield part["image"]


def measure_times(
    runs: Mapping[str, Callable[[Tensor], object]], images: Tensor, rounds: int
) -> dict[str, float]:
    """Median milliseconds of each model for a batch, in turn, after a warm-up of two rounds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run(images)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(measured[2:]) for name, measured in times.items()}


def export_float(graph: Graph, example: Tensor, path: Path) -> tuple[str, ...]:
    """Write the float model; returns which axes are open."""
    dynamic = tuple(axis for axis in DYNAMIC if axis not in graph.fixed)
    # Of a batch of one, the exporter would take its length for a constant.
    examples = example.expand(2 if "batch" in dynamic else 1, -1, -1, -1).contiguous()
    export_onnx(graph, examples, path, dynamic=dynamic)
    return dynamic


def quantize(arguments: argparse.Namespace, more: Sequence[str]) -> int:
    """Quantise, measure, report; returns the exit status."""
    options = QuantizeOptions(
        calibration=arguments.calibration,
        operators=tuple(arguments.operators),
        keep_float=tuple(arguments.keep_float),
        reduce_range=not arguments.full_range,
    )
    if arguments.out is not None:
        check_target(arguments.out)
    model = load(arguments.source, task=arguments.task)
    score = find_part(model.task, "int8_score")
    assert model.path is not None, "it was loaded from a file"
    target = arguments.out or model.path.with_suffix(".int8.onnx")
    check_target(target)
    data = build_datamodule(model, arguments.config, more)
    graph = whole_model(model.task)
    canvas = find_canvas(graph, model, arguments.canvas)
    images = calibration_images(data, arguments.calibrate, arguments.images)
    if canvas is not None:
        mean = graph.images.mean
        images = (put_on_canvas(image, canvas, mean) for image in images)
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / f"{model.path.stem}.onnx"
        first = next(images)
        dynamic = export_float(graph, first, before)
        made = quantize_onnx(before, target, itertools.chain([first], images), options=options)
        runs: dict[str, Run] = {
            name: partial(run_onnx, open_session(path))
            for name, path in (("float", before), ("int8", target))
        }
        data.setup("validate")
        accuracy, count = measure_accuracy(
            runs if canvas is None else {n: on_canvas(r, canvas, mean) for n, r in runs.items()},
            data.val_dataloader(),
            score=partial(score, model.task, data),
            limit=arguments.limit,
        )
        drop = accuracy["float"] - accuracy["int8"]
        times = measure_times(runs, first, arguments.rounds)
        facts = {
            **describe(model, graph, made.path, (first.shape[2], first.shape[3]), dynamic),
            "accuracy": {
                "metric": score(model.task, data).metric,
                **accuracy,
                "drop": drop,
                "images": count,
            },
            "most_drop": arguments.most_drop,
            "float_bytes": before.stat().st_size,
            "milliseconds": {**times, "batch": 1, "threads": os.cpu_count()},
            "nodes": {"int8": made.quantized, "candidates": made.candidates},
            "calibration": {
                "from": arguments.calibrate,
                "images": made.images,
                **vars(options),
            },
        }
    write_sidecar(target, facts)
    show(facts, target)
    return DROPPED if drop > arguments.most_drop else 0


def check_target(path: Path) -> None:
    """See that the model and the file beside it can be written.

    Raises:
        ConfigError: They cannot.
    """
    for file in (path, path.with_name(f"{path.name}.json")):
        check_output_file(file, option="--out")


def find_canvas(graph: Graph, model: Model, given: Sequence[int] | None) -> tuple[int, int] | None:
    """Height and width of all images of a program of one size; None for one of any size.

    Raises:
        ConfigError: One is given for a program of any size, or none is known.
    """
    if "size" not in graph.fixed or graph.one_size:
        if given is not None:
            raise ConfigError(f"--canvas is for models of one size; this {model.kind} takes any.")
        return None
    return (given[0], given[1]) if given is not None else usual_canvas(model.preprocessing)


def describe(
    model: Model, graph: Graph, path: Path, size: tuple[int, int], dynamic: Sequence[str]
) -> dict[str, Any]:
    """What the file of an export says too, as plain values."""
    described = model.description
    facts = export_facts(
        graph,
        path,
        form="onnx",
        precision="int8",
        batch=1,
        size=size,
        dynamic=dynamic,
        description=described,
        licence=None,
    )
    return {
        **facts,
        "opset": OPSET,
        "least_runtime": f"onnxruntime {least_runtime(OPSET)}",
        "classes": list(model.class_names),
        "model": {name: described[name] for name in ("task", "backbone", "step", "metrics")},
        "source": str(model.path),
    }


def show(report: Mapping[str, Any], target: Path) -> None:
    """Print the comparison."""
    accuracy, times = report["accuracy"], report["milliseconds"]
    sizes = report["float_bytes"] / 1e6, report["bytes"] / 1e6
    change = accuracy["int8"] - accuracy["float"]
    ratio = times["float"] / times["int8"]
    print(f"{'':24} {'float':>10} {'int8':>10}")
    print(
        f"{accuracy['metric']:24} {accuracy['float']:10.4f} {accuracy['int8']:10.4f}"
        f"   difference {change:+.4f} on {accuracy['images']:,} images"
    )
    print(f"{'file, MB':24} {sizes[0]:10.2f} {sizes[1]:10.2f}   {sizes[0] / sizes[1]:.2f}x smaller")
    print(
        f"{'batch of 1, ms':24} {times['float']:10.2f} {times['int8']:10.2f}   {ratio:.2f}x as fast"
    )
    nodes, calibration = report["nodes"], report["calibration"]
    print(
        f"{nodes['int8']} of {nodes['candidates']} nodes in int8, calibrated on "
        f"{calibration['images']} {calibration['from']} images ({calibration['calibration']})"
    )
    print(f"{target}, {target.name}.json")
    if accuracy["drop"] > report["most_drop"]:
        print(
            f"error: {accuracy['metric']} drops by {accuracy['drop']:.4f}, more than --most-drop "
            f"{report['most_drop']}. Try --calibration percentile, more --images, "
            "or --keep-float for the first and last layers.",
            file=sys.stderr,
        )


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = Parser(description=__doc__)
    made.add_argument("source", metavar="CKPT", help="as vision.load takes it")
    made.add_argument("--out", type=Path, metavar="FILE", help="by default CKPT's .int8.onnx")
    made.add_argument("--config", type=Path, metavar="FILE", help="by default the run's own")
    made.add_argument("--images", type=whole(), default=128, help="to calibrate with, 128")
    made.add_argument("--calibrate", choices=("train", "val"), default="train", help="which images")
    made.add_argument(
        "--calibration",
        choices=("minmax", "percentile", "entropy"),
        default="minmax",
        help="how ranges come from values; the latter two keep all activations in memory",
    )
    made.add_argument(
        "--canvas", type=whole(), nargs=2, metavar=("H", "W"), help="detection: size of the images"
    )
    made.add_argument("--operators", nargs="+", choices=OPERATORS, default=OPERATORS)
    made.add_argument(
        "--keep-float", nargs="+", default=[], metavar="PATTERN", help="nodes, by expressions"
    )
    made.add_argument(
        "--full-range",
        action="store_true",
        help="weights of 8 bits in place of 7: overflows on x86 without VNNI",
    )
    made.add_argument(
        "--limit", type=whole(), metavar="N", help="validation images; all by default"
    )
    made.add_argument("--most-drop", type=real(-100, 100), default=0.02, help="of the metric, 0.02")
    add_task(made)
    made.add_argument("--rounds", type=whole(), default=20, help="of timing, 20")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and quantise; returns the exit status."""
    return end(lambda: quantize(*parser().parse_known_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
