"""Export a trained model or a backbone for other programs, and compare it with its source.

    vision export runs/NAME/version_0 --format onnx
    vision export best.ckpt --format torch-export --size 512 512 --dynamic batch
    vision export best.ckpt --format safetensors --precision float16
    vision export best.ckpt --backbone --outputs embedding --format onnx
    vision export swin_tiny --pretrained --format onnx --include-normalisation

A model is a checkpoint, the folder of a run, a `.safetensors` of the suite, or `hf://owner/repo`; a
backbone is a name of `vision.list_backbones()`. What is exported is run, on random and on real
images, and compared with its source; a JSON file beside it says all that a user of it needs. Of a
model of volumes a window is exported, which the user of the file slides over volumes.

Without --out, a model of a run is written into the folder `weights` of the run, named after run and
file, any other model beside itself, and a backbone into the current folder.

The exit status is 0 if it agrees with its source, 1 if it does not, and 2 for a mistake of the
command line.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vision.cli.announce import announce
from vision.cli.arguments import add_task, whole
from vision.cli.ending import command_parser, end
from vision.errors import ConfigError, suggest
from vision.line_width import break_parts, line_width

if TYPE_CHECKING:
    from vision.export.source import Source

DIFFERENT = 1


def main(words: Sequence[str]) -> int:
    """Run the command line; returns the exit status."""
    return end(lambda: run(build_parser().parse_args(words)))


def run(options: argparse.Namespace) -> int:
    """Export, and print what came of it; returns the exit status."""
    announce(f"export {options.source}")
    from vision.cli.export_files import default_export_file, recorded_source, replaced_export
    from vision.export.run import SUFFIXES, ExportOptions, export
    from vision.export.sidecar import check_export_files

    suffix, recorded = SUFFIXES.get(options.format, ""), recorded_source(options.source)
    out = options.out or default_export_file(options.source, suffix, backbone=options.backbone)
    check_export_files(out)
    for line in replaced_export(out, recorded):
        print(line)
    source = find_source(options)
    size = options.size or source.default_size()
    settings = ExportOptions(
        format=options.format,
        size=tuple(size),
        batch=options.batch,
        dynamic=dynamic_axes(options.dynamic),
        precision=options.precision,
        opset=options.opset,
        exporter=options.exporter,
        sampling=options.sampling,
        tolerance=options.tolerance,
        images=options.inputs,
        licence=options.licence,
        source=recorded,
    )
    result = export(source.graph, source.module, source.description, out, settings)
    kind = source.graph.kind
    part = "backbone" if kind == "backbone" else f"{kind} model with its post-processing"
    said = [f"{options.source}:", f"{part}", f"as {options.format}, {options.precision}"]
    print("\n".join(break_parts(said, line_width(), gap=" ")))
    print(result.table())
    return 0 if result.passed else DIFFERENT


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("export", __doc__)
    add = parser.add_argument
    add("source", help="a trained model, or the name of a backbone")
    add("--format", required=True, help="safetensors, torch-export or onnx")
    add("--out", type=Path, help="the file to write")
    add("--backbone", action="store_true", help="of a trained model, only its backbone")
    add("--outputs", default="features", help="of a backbone: features or embedding")
    add("--include-normalisation", action="store_true", help="backbone: take pixels 0..255")
    add("--pretrained", action="store_true", help="backbone: the published weights")
    add("--weights", help="backbone: a file of weights")
    add("--logits", action="store_true", help="whole model: give the logits (too)")
    add("--input-dtype", help="of images 0..255: uint8, the default, or float32")
    add(
        "--size",
        type=whole(),
        nargs="+",
        metavar="SIDE",
        help="H W, of volumes D H W; by default that of the weights",
    )
    add("--batch", type=whole(), default=1, help="number of images or volumes to trace with")
    add("--dynamic", help="batch,size or batch or size or none; by default as many as possible")
    add("--precision", default="float32", help="float32, float16 or bfloat16")
    add("--opset", type=whole(), default=18, help="of ONNX")
    add("--exporter", default="torchscript", help="of ONNX: torchscript or dynamo")
    add("--sampling", default="grid", help="of deformable attention: grid or gather")
    add("--tolerance", type=float, help="largest difference, relative to the largest value")
    add("--inputs", metavar="PATH", help="image or folder of images to compare on")
    add("--licence", help="licence of the weights, for the JSON file")
    add_task(parser)
    return parser


def dynamic_axes(text: str | None) -> tuple[str, ...] | None:
    """What `--dynamic` asks for; None for what is possible."""
    if text is None:
        return None
    return () if text == "none" else tuple(text.split(","))


def find_source(options: argparse.Namespace) -> "Source":
    """What is exported.

    Raises:
        ConfigError: There is neither such a file nor such a backbone.
    """
    import vision
    from vision.backbones.registry import TIMM_PREFIX, list_backbones
    from vision.export.source import backbone_of, named_backbone, whole_source

    part = {"outputs": options.outputs, "include_normalisation": options.include_normalisation}
    names = list_backbones()
    if options.source in names or options.source.startswith(TIMM_PREFIX):
        given = {"pretrained": options.pretrained, "weights": options.weights}
        return named_backbone(options.source, **given, **part)
    is_path = os.path.exists(options.source) or options.source.startswith("hf://")
    if not is_path and os.sep not in options.source and "." not in options.source:
        raise ConfigError(
            f"'{options.source}' is neither a file nor a backbone."
            f"{suggest(options.source, names)} vision.list_backbones() names all."
        )
    model = vision.load(options.source, task=options.task)
    if options.backbone:
        return backbone_of(model, **part)
    return whole_source(model, logits=options.logits, input_dtype=options.input_dtype)
