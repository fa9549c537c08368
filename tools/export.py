"""Export a trained model or a backbone for other programs, and compare it with its source.

    python tools/export.py runs/NAME/version_0 --format onnx
    python tools/export.py best.ckpt --format torch-export --size 512 512 --dynamic batch
    python tools/export.py best.ckpt --format safetensors --precision float16
    python tools/export.py best.ckpt --backbone --outputs embedding --format onnx
    python tools/export.py swin_tiny --pretrained --format onnx --include-normalisation

A model is a checkpoint, the folder of a run, a `.safetensors` of the suite, or `hf://owner/repo`; a
backbone is a name of `vision.list_backbones()`. What is exported is run, on random and on real
images, and compared with its source; a JSON file beside it says all that a user of it needs.

The exit status is 0 if it agrees with its source, 1 if it does not, and 2 for a mistake of the
command line.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vision.cli.arguments import add_task, whole
from vision.cli.ending import Parser, end
from vision.errors import ConfigError, suggest
from vision.export.run import SUFFIXES, Exported, ExportOptions, export
from vision.export.sidecar import check_export_files

DIFFERENT = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return end(lambda: run(parse(argv)))


def run(options: argparse.Namespace) -> int:
    """Export, and print what came of it; returns the exit status."""
    out = options.out or Path(f"{Path(options.source).stem}{SUFFIXES.get(options.format, '')}")
    check_export_files(out)
    graph, module, description = load(options)
    size = options.size or default_size(graph, description)
    settings = ExportOptions(
        format=options.format,
        size=(size[0], size[1]),
        batch=options.batch,
        dynamic=dynamic_axes(options.dynamic),
        precision=options.precision,
        opset=options.opset,
        exporter=options.exporter,
        tolerance=options.tolerance,
        images=options.inputs,
        licence=options.licence,
    )
    result = export(graph, module, description, out, settings)
    print(report(result, what(options, graph.kind)))
    return 0 if result.passed else DIFFERENT


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("source", help="a trained model, or the name of a backbone")
    add("--format", required=True, help=", ".join(SUFFIXES))
    add("--out", type=Path, help="the file to write")
    add("--backbone", action="store_true", help="of a trained model, only its backbone")
    add("--outputs", default="features", help="of a backbone: features or embedding")
    add("--include-normalisation", action="store_true", help="backbone: take pixels 0..255")
    add("--pretrained", action="store_true", help="backbone: the published weights")
    add("--weights", help="backbone: a file of weights")
    add("--logits", action="store_true", help="whole model: give the logits (too)")
    add("--input-dtype", default="uint8", help="whole model: uint8 or float32, of 0..255")
    add("--size", type=whole(), nargs=2, metavar=("H", "W"), help="by default that of the weights")
    add("--batch", type=whole(), default=1, help="number of images to trace with")
    add("--dynamic", help="batch,size or batch or size or none; by default what is possible")
    add("--precision", default="float32", help="float32, float16 or bfloat16")
    add("--opset", type=whole(), default=18, help="of ONNX")
    add("--exporter", default="torchscript", help="of ONNX: torchscript or dynamo")
    add("--tolerance", type=float, help="largest difference, relative to the largest value")
    add("--inputs", metavar="PATH", help="image or folder of images to compare on")
    add("--licence", help="licence of the weights, for the JSON file")
    add_task(parser)
    return parser.parse_args(argv)


def dynamic_axes(text: str | None) -> tuple[str, ...] | None:
    """What `--dynamic` asks for; None for what is possible."""
    if text is None:
        return None
    return () if text == "none" else tuple(text.split(","))


def load(options: argparse.Namespace) -> tuple[Any, Any, dict[str, Any]]:
    """The program, the module that it is of, and its description."""
    from vision.backbones.registry import TIMM_PREFIX, list_backbones

    names = list_backbones()
    known = options.source in names or options.source.startswith(TIMM_PREFIX)
    if known:
        return load_backbone(options)
    is_path = os.path.exists(options.source) or options.source.startswith("hf://")
    if not is_path and os.sep not in options.source and "." not in options.source:
        raise ConfigError(
            f"'{options.source}' is neither a file nor a backbone."
            f"{suggest(options.source, names)} vision.list_backbones() names all."
        )
    import vision
    from vision.export.backbone import BackboneGraph
    from vision.export.safetensors import describe_backbone
    from vision.export.whole import whole_model

    model = vision.load(options.source, task=options.task)
    task, description = model.task, dict(model.description)
    if not options.backbone:
        graph = whole_model(task, logits=options.logits, input_dtype=options.input_dtype)
        return graph, task, description
    normalize = task.normalize if options.include_normalisation else None
    graph = BackboneGraph(task.backbone, outputs=options.outputs, normalize=normalize)
    arguments = description["hyper_parameters"].get("backbone_options") or {}
    own = describe_backbone(description["backbone"], arguments, description["input"])
    return graph, task.backbone, own


def load_backbone(options: argparse.Namespace) -> tuple[Any, Any, dict[str, Any]]:
    """The same of a backbone by name."""
    from vision import create_backbone, load_weights
    from vision.export.backbone import BackboneGraph
    from vision.export.safetensors import describe_backbone
    from vision.layers.pixels import Normalize

    backbone = create_backbone(options.source, pretrained=options.pretrained)
    if options.weights:
        load_weights(backbone, options.weights)
    spec = backbone.default_input
    normalize = Normalize(spec.mean, spec.std) if options.include_normalisation else None
    graph = BackboneGraph(backbone, outputs=options.outputs, normalize=normalize)
    return graph, backbone, describe_backbone(options.source, {}, asdict(spec))


def default_size(graph: Any, description: dict[str, Any]) -> tuple[int, int]:
    """The size of the images that a model was trained or published with."""
    preprocessing = description.get("preprocessing") or {}
    if preprocessing and (size := graph.usual_size(preprocessing)):
        return size
    side = preprocessing.get("image_size")
    if side is not None:
        return (side, side) if isinstance(side, int) else (side[0], side[1])
    height, width = (description.get("input") or {}).get("size", (224, 224))
    return height, width


def what(options: argparse.Namespace, kind: str) -> str:
    """What was exported, in words."""
    part = "backbone" if kind == "backbone" else f"{kind} model with its post-processing"
    return f"{options.source}: {part} as {options.format}, {options.precision}"


def report(result: Exported, title: str) -> str:
    """What is printed of an export."""
    from vision.export.verify import worst

    megabytes = result.path.stat().st_size / 1e6
    lines = [
        title,
        f"  file      {result.path} ({megabytes:.1f} MB)",
        f"  sidecar   {result.sidecar}",
        f"  dynamic   {', '.join(result.dynamic) or 'none'}",
        *(f"  note      {note}" for note in result.notes),
        f"  {'output':<28} {'largest diff.':>13} {'relative':>10} {'allowed':>10}",
    ]
    for one in worst(result.cases):
        mark = "" if one.passed else "  TOO LARGE"
        lines.append(
            f"  {one.output:<28} {one.absolute:>13.3g} {one.relative:>10.2g} "
            f"{one.tolerance:>10.2g}{mark}"
        )
    shapes = dict.fromkeys(f"{c.batch} x {c.size[0]} x {c.size[1]}" for c in result.cases)
    lines.append(f"  compared on random and real images: {', '.join(shapes)}")
    if not result.passed:
        lines.append("  It differs from its source by more than the tolerance.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
