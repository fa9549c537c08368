"""Make an int8 ONNX model of a trained one, and measure what that costs.

    vision quantize runs/digits/version_0/checkpoints/best.ckpt
    vision quantize RUN --images 256 --limit 1000 --out small.onnx
    vision quantize best.safetensors --config RUN/config.yaml --data.root /data/flowers
    vision quantize CKPT --calibration percentile --keep-float '^/head' --max-drop 0.005

The datamodule is that of the run's `config.yaml`, or of `--config`; options such as `--data.root`
are given on to it. Ranges of activations come from training images, prepared like validation images
(`--calibrate val` takes validation images). Both models, float and int8, then run on the whole
validation set in onnxruntime: the metric of the task before and after, the sizes of the files and
the times of a batch are printed, and written beside the model as `.json`.

The exit status is 1 if the metric becomes worse by more than `--max-drop` (the model is written all
the same), and 2 for a mistake that can be fixed.

An exported detector takes one image of one size: images are put on a canvas of the mean colour that
holds all of them, or that of `--canvas`. There its average precision may differ a little from that
of `vision validate`, whose images are not padded so far; float and int8 see the same. A model of
volumes takes windows, which slide over whole volumes as in `vision validate`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vision.cli.announce import announce
from vision.cli.arguments import add_task, real, whole
from vision.cli.ending import command_parser, end
from vision.line_width import break_parts, line_width
from vision.task_parts import find_part

DROPPED = 1
# Those of `vision.export.quantize`, which needs torch.
OPERATORS = ("Conv", "MatMul", "Gemm")


def quantize(arguments: argparse.Namespace, more: Sequence[str]) -> int:
    """Quantise, measure, report; returns the exit status."""
    announce(f"quantize {arguments.source}")
    from vision.cli.export_files import default_export_file, recorded_source, replaced_export
    from vision.cli.trained import load_data
    from vision.export.int8 import Int8Options, int8_table, make_int8
    from vision.export.quantize import QuantizeOptions
    from vision.export.sidecar import check_export_files, write_sidecar
    from vision.predict.load import load

    options = Int8Options(
        quantize=QuantizeOptions(
            calibration=arguments.calibration,
            operators=tuple(arguments.operators),
            keep_float=tuple(arguments.keep_float),
            reduce_range=not arguments.full_range,
        ),
        calibrate=arguments.calibrate,
        images=arguments.images,
        canvas=arguments.canvas and tuple(arguments.canvas),
        limit=arguments.limit,
        rounds=arguments.rounds,
        max_drop=arguments.max_drop,
    )
    if arguments.out is not None:
        check_export_files(arguments.out)
    model = load(arguments.source, task=arguments.task)
    # Why it is not possible, rather than that nothing measures it.
    find_part(model.task, "export_graph").check_format("onnx")
    score = find_part(model.task, "int8_score")
    assert model.path is not None, "it was loaded from a file"
    target = arguments.out or default_export_file(arguments.source, ".int8.onnx", backbone=False)
    check_export_files(target)
    recorded = recorded_source(arguments.source)
    for line in replaced_export(target, recorded):
        print(line)
    data = load_data(model.path, arguments.config, more)
    facts = make_int8(model, data, target, score, options)
    accuracy = facts["accuracy"]
    allowed = accuracy["max_drop"]
    write_sidecar(target, {**facts, "source": recorded, "max_drop": allowed})
    print(int8_table(facts))
    print("\n".join(break_parts([f"{target},", f"{target.name}.json"], line_width(), gap=" ")))
    if accuracy["drop"] <= allowed:
        return 0
    unit = f" {accuracy['unit']}" if accuracy["unit"] else ""
    verb = "drops" if accuracy["better"] == "higher" else "rises"
    print(
        f"error: {accuracy['metric']} {verb} by {accuracy['drop']:.4f}{unit}, more than --max-drop "
        f"{allowed}. Try --calibration percentile, more --images, "
        "or --keep-float for the first and last layers.",
        file=sys.stderr,
    )
    return DROPPED


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    made = command_parser("quantize", __doc__)
    made.add_argument("source", metavar="CKPT", help="as vision.load takes it")
    made.add_argument("--out", type=Path, metavar="FILE", help="by default beside the model")
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
        "--canvas",
        type=whole(),
        nargs="+",
        metavar="SIDE",
        help="detection: H W of the images; volumes: D H W of a window",
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
    made.add_argument(
        "--max-drop",
        type=real(-100, 100),
        help="how much worse the metric may become, in its unit: 0.02, of angles 0.5 degrees",
    )
    add_task(made)
    made.add_argument("--rounds", type=whole(), default=20, help="of timing, 20")
    return made


def main(words: Sequence[str]) -> int:
    """Parse the command line and quantise; returns the exit status."""
    return end(lambda: quantize(*build_parser().parse_known_args(words)))
