"""Open a page in the browser to try a trained model.

    vision demo runs/NAME/version_0
    vision demo model.safetensors --port 8000 --device cuda
    vision demo hf://owner/name --examples photos/*.jpg

Give it a picture, by upload, paste or webcam. Classification shows the most likely classes,
detection boxes and masks from a threshold on, segmentation the classes of the pixels with their
legend, depth and normals their colours. Volumes are given as NIfTI files and shown in three planes,
a slider each; clouds of points as PLY, npy, npz or LAS files, beside their classes, with a slider
to turn them.

The page is only for this machine; --host 0.0.0.0 lets others in. It answers to the address and
the name of this machine, to those of --names, and to no other host name. It loads nothing from
elsewhere and sends nothing anywhere, unless --share is given: then it, and what people upload, goes
through the servers of gradio. Needs gradio, of the extra `demo`. The exit status is 2 if
the model cannot be read, gradio is absent, or the port is taken.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vision.cli.announce import announce
from vision.cli.arguments import add_device, add_task, choose_device, whole
from vision.cli.ending import command_parser, end


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("demo", __doc__)
    parser.add_argument(
        "model",
        metavar="CKPT",
        help="checkpoint, folder of a run, .safetensors, or hf://owner/repo",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    parser.add_argument(
        "--port", type=whole(1, 65_535), default=7860, help="port to listen at (7860)"
    )
    parser.add_argument(
        "--names", nargs="+", default=[], metavar="HOST", help="host names it answers to as well"
    )
    add_task(parser)
    add_device(parser)
    parser.add_argument(
        "--examples", nargs="+", default=[], type=Path, metavar="IMAGE", help="to choose from"
    )
    parser.add_argument(
        "--share", action="store_true", help="make it public through the servers of gradio"
    )
    return parser


def demo(arguments: argparse.Namespace) -> int:
    """Load the model, and serve its page until Ctrl+C; returns the exit status."""
    announce(f"demo of {arguments.model}")
    import vision
    from vision.predict.demo import build_demo, launch_demo

    device = choose_device(arguments.device)
    model = vision.load(arguments.model, device=device, task=arguments.task)
    page = build_demo(model, examples=arguments.examples)
    address = launch_demo(
        page, host=arguments.host, port=arguments.port, share=arguments.share, block=False
    )
    print(f"{model}\nthe page is at {address}; end it with Ctrl+C", flush=True)
    page.block_thread()
    return 0


def main(words: Sequence[str]) -> int:
    """Run a command line; returns the exit status."""
    return end(lambda: demo(build_parser().parse_args(words)))
