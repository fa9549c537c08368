"""Values of options that no command can take: of train.py, of its trainer, and of the tools."""

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from adversarial.case import Case, check, command, table, tool
from helpers.tiny_detection import tiny_detector
from helpers.tiny_models import TINY as TINY_BACKBONES
from helpers.tiny_segmentation import tiny_segmentor
from torch import nn

from vision.backbones.registry import create_backbone
from vision.cli.ending import end
from vision.cli.hardware import check_devices
from vision.cli.names import CLASSES, find_class
from vision.cli.parser import OptionsParser, ParserError
from vision.cli.streams import LenientStream
from vision.cli.trainer_options import check_trainer, explain_refusals
from vision.errors import VisionError
from vision.machine import find_device
from vision.predict.options import PredictOptions
from vision.tasks.detectors import DETECTORS
from vision.tasks.fitting import hints_of
from vision.tasks.segmentors import SEGMENTORS

QUICKSTART = "configs/classification/digits/convnext_linear.yaml"
DEEP = "{depths: [1000000000]}"
TINY = "{dims: [8, 8, 8, 8], depths: [1, 1, 1, 1]}"


def fit(*words: object) -> Callable[[Path], str]:
    """The quickstart's training with further options; it is refused before it starts."""
    return lambda folder: command("fit", "--config", QUICKSTART, "--runs_dir", folder, *words)


def trainer(**options: Any) -> Callable[[Path], None]:
    return lambda _: check_trainer(options)


def backbone(**options: Any) -> Callable[[Path], Any]:
    return lambda _: create_backbone("convnext", **options)


def use(name: str, *words: object) -> Callable[[Path], str]:
    return lambda _: tool(name, *words)


def one_value(_: Path) -> None:
    with explain_refusals(1, "--data.image_size"):
        nn.BatchNorm2d(4)(torch.zeros(1, 4, 1, 1))


@table(
    Case("all values dropped", fit("--model.drop_rate", 2), says=("drop_rate=2.0", "0 to 0.99")),
    Case("labels beyond smooth", fit("--model.label_smoothing", 2), says=("label_smoothing=2",)),
    Case("no initial weights", fit("--model.head_init_scale", 0), says=("head_init_scale=0",)),
    Case("too many classes", fit("--model.num_classes", 10**9), says=("num_classes", "1,000,000")),
    Case("huge images", fit("--data.image_size", 10**9), says=("image_size=1000000000", "32,768")),
    Case("huge batches", fit("--data.batch_size", 10**9), says=("batch_size=1000000000",)),
    Case("no batch", fit("--data.batch_size", 0), says=("batch_size=0",)),
    Case("a million workers", fit("--data.num_workers", 10**6), says=("num_workers=1000000",)),
    Case("a seed below 0", fit("--seed_everything", -1), says=("--seed_everything=-1",)),
    Case("a huge seed", fit("--seed_everything", 2**40), says=("4,294,967,295",)),
    Case("a huge number", fit("--data.seed", 10**30), says=("seed=", "from 0")),
    Case("many threads", fit("--threads", 10**9), says=("--threads=1000000000", "1,024")),
    Case("a rate that is NaN", fit("--model.optim.lr", "nan"), says=("model.optim.lr", "'nan'")),
    Case(
        "an accelerator that is not there", fit("--trainer.accelerator", "tpu"), says=("torch_xla",)
    ),
    Case("a precision", fit("--trainer.precision", "x"), says=("trainer.precision", "'x'")),
    Case("no epochs", fit("--trainer.max_epochs", -5), says=("trainer.max_epochs=-5",)),
    Case("no steps between", fit("--checkpoint_every_n_steps", 0), says=("from 1",)),
    Case("a depth of 1e9", fit("--model.backbone_options", DEEP), says=("1,000",)),
    Case("a duration", fit("--trainer.max_time", "x"), says=("duration",)),
    Case("epochs without end", trainer(max_epochs=10**21), says=("trainer.max_epochs",)),
    Case("no accumulation", trainer(accumulate_grad_batches=0), says=("batches=0", "from 1")),
    Case("clipping below 0", trainer(gradient_clip_val=-1.0), says=("gradient_clip_val=-1.0",)),
    Case("clipping to NaN", trainer(gradient_clip_val=float("nan")), says=("clip_val=nan",)),
    Case("no validation", trainer(val_check_interval=0), says=("val_check_interval=0", "(0, 1]")),
    Case("never validated", trainer(check_val_every_n_epoch=0), says=("every_n_epoch=0",)),
    Case("sanity below -1", trainer(num_sanity_val_steps=-7), says=("num_sanity_val_steps=-7",)),
    Case("usual options", trainer(max_epochs=-1, gradient_clip_val=None, log_every_n_steps=0)),
    Case("99 processes", lambda _: check_devices("cpu", 99), says=("devices 99", "cores")),
    Case("99 as text", lambda _: check_devices("cpu", "99"), says=("devices 99", "cores")),
    Case("a list of 99", lambda _: check_devices("auto", [0] * 99), says=("99 processes",)),
    Case("two processes", lambda _: check_devices("cpu", 2)),
    Case("one value per channel", one_value, says=("batch norm", "--data.batch_size 2")),
    Case("no channels", backbone(dims=(0, 0, 0, 0)), says=("'convnext' cannot be built",)),
    Case("too few dims", backbone(dims=(1, 2)), says=("'convnext' cannot be built", "(1, 2)")),
    Case("dims of text", backbone(dims="x"), says=("'convnext' cannot be built",)),
    Case("dims that are infinite", backbone(dims=(float("inf"),) * 4), says=("dims", "inf")),
    Case("a number of 5,000 digits", backbone(dims=(10**5000,) * 4), says=("thousands of digits",)),
    Case("a missing GPU", lambda _: find_device("cuda:99"), says=("'cuda:99'", "'cpu' always")),
    Case("no device", lambda _: find_device("nonsense"), says=("'nonsense'",)),
    Case("a device of nothing", lambda _: find_device("meta"), says=("computes nothing",)),
    Case("tiles of all", lambda _: PredictOptions(overlap=float("nan")), says=("overlap",)),
)
def test_values_of_training(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)
    assert list(tmp_path.rglob("*")) == []


PREDICT = ("predict", "a", "b", "--out", "c")
SEGMENTATION = ("evaluate", "segmentation", "--annotations", "a", "--predictions", "b")


@table(
    Case("a missing argument", use("predict"), says=("required", "--help")),
    Case("an unknown option", use(*PREDICT, "--nothing"), says=("--nothing", "--help")),
    Case("half an option", use(*PREDICT, "--thresh", "0.5"), says=("--thresh",)),
    Case("a threshold", use(*PREDICT, "--threshold", "2"), says=("--threshold", "0 to 1")),
    Case("a threshold NaN", use(*PREDICT, "--threshold", "nan"), says=("--threshold", "'nan'")),
    Case("no batch", use(*PREDICT, "--batch-size", "0"), says=("--batch-size", "'0'")),
    Case("a long number", use(*PREDICT, "--batch-size", "9" * 5000), says=("--batch-size",)),
    Case("workers", use(*PREDICT, "--workers", "1e9"), says=("--workers", "'1e9'")),
    Case("no tile", use(*PREDICT, "--tile", "0x"), says=("--tile", "HEIGHTxWIDTH")),
    Case("an overlap", use(*PREDICT, "--overlap", "inf"), says=("--overlap",)),
    Case("a device", use(*PREDICT, "--device", "cuda:99"), says=("--device", "cuda:99")),
    Case("a precision", use(*PREDICT, "--precision", "x"), says=("--precision", "'x'")),
    Case("a port", use("demo", "a", "--port", "99999"), says=("--port", "65,535")),
    Case("a size", use("export", "a", "--format", "onnx", "--size", "0", "9"), says=("--size",)),
    Case("a batch", use("export", "a", "--format", "onnx", "--batch", "-1"), says=("--batch",)),
    Case("no images", use("quantize", "a", "--images", "0"), says=("--images",)),
    Case("a drop", use("quantize", "a", "--max-drop", "nan"), says=("--max-drop",)),
    Case("naming", use("publish", "keys", "a", "--naming", "x", "--out", "b"), says=("--naming",)),
    Case("classes", use(*SEGMENTATION, "--num-classes", "256"), says=("from 1 to 255",)),
    Case("a limit", use("evaluate", "model", "a", "--limit", "-1"), says=("--limit",)),
    Case("a command", use("evaluate", "nothing"), says=("'nothing'",)),
    Case("shards", use("shard", "make", "a", "b", "--shard-bytes", "nan"), says=("--shard-bytes",)),
    Case("a share", use("shard", "make", "a", "b", "--val-fraction", "7"), says=("0 to 1",)),
    Case("a seed", use("make_samples", "coco", "--root", "a", "--seed", "-1"), says=("--seed",)),
    Case("no dataset", use("check_dataset", "Nothing"), says=("'Nothing'", "COCO")),
    Case("no key", use("check_dataset", "Digits", "--nothing", "1"), says=("--nothing",)),
    Case("a side", use("check_dataset", "Digits", "--image_size", "1"), says=("image_size=1",)),
    Case("rounds", use("benchmark", "imports", "--rounds", "0"), says=("--rounds",)),
    Case("a GPU", use("benchmark", "backbones", "--device", "cuda:99"), says=("cuda:99",)),
    Case("no runs", use("compare"), says=("required",)),
    Case("no archives", use("prepare_imagenet", "--root", "a"), says=("required",)),
    Case("a pattern", use("models", "--pattern", "nothing*"), says=("'nothing*'",)),
)
def test_values_of_tools(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check(case, tmp_path, caplog)
    assert list(tmp_path.iterdir()) == []


# What every constructor is given for every option, as the command line would.
BAD = ("0", "-1", "2", "1000000000", "1e9", "nan", "inf", "''", "[]", "{}", "null", "x", "[-1,-1]")
NEEDED = {
    "Classification": {"num_classes": "3", "backbone": "convnext", "backbone_options": TINY},
    "MaskFolder": {"root": "a", "classes": "[a,b]"},
    "Digits": {},
    **{name: {"root": "a"} for name in CLASSES["data"] if name not in ("Digits", "MaskFolder")},
}


@pytest.mark.parametrize("name", NEEDED)
def test_constructors_raise_nothing_but_messages(name: str) -> None:
    group = next(group for group, names in CLASSES.items() if name in names)
    parser = OptionsParser(add_help=False)
    cls = find_class(group, name, source="")
    parser.add_class_arguments(cls, group, fail_untyped=False, sub_configs=False)
    keys = [one.dest for one in parser._actions if one.dest.startswith(f"{group}.")]
    own = {f"{group}.{key}": value for key, value in NEEDED[name].items()}
    refused = 0
    for key in keys:
        # Building a model takes its time.
        for value in BAD if group == "data" else BAD[1:7]:
            words = [f"--{k}={v}" for k, v in {**own, key: value}.items()]
            try:
                # Without the parser's search for defaults: what is not given has the constructor's.
                parser.instantiate(parser.parse_args(words, defaults=False))
            except (ParserError, VisionError):
                refused += 1
    assert refused > len(keys)


PARTS = {
    **{name: DETECTORS[name].builders for name in ("mask_rcnn", "retinanet", "fcos", "dino")},
    "upernet": SEGMENTORS["upernet"].builders,
}
# As Python has them, who builds a task in a program.
WRONG = (0, -1, 1e9, float("nan"), "x", "", [], [0], None, True, {"x": 1})


@pytest.mark.parametrize("name", PARTS)
def test_options_of_parts_raise_nothing_but_messages(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny: Callable[..., Any] = tiny_segmentor if name in SEGMENTORS else tiny_detector
    with torch.device("meta"):
        every = create_backbone("convnext", dense=True, **TINY_BACKBONES["convnext"][1])
    norms = {**every.out_norms}

    def backbone_again(*_: Any, **__: Any) -> Any:
        """The same for all, as only what is built on it differs; none of its maps is left out."""
        again = copy(every)
        again.out_norms = nn.ModuleDict(norms)
        return again

    monkeypatch.setattr("vision.tasks.build.create_backbone", backbone_again)
    refused = tried = 0
    for group, builder in PARTS[name].items():
        for key in hints_of(builder).keys() - {"specs", "num_classes"}:
            for value in WRONG:
                tried += 1
                try:
                    with torch.device("meta"):
                        tiny("convnext", name, **{group: {key: value}})
                except VisionError:
                    refused += 1
    assert refused > tried / 2


class Broken:
    """A stream whose reader went away."""

    closed = False
    encoding = "ascii"

    def write(self, text: str) -> int:
        raise BrokenPipeError

    flush = write


@pytest.mark.parametrize("stream", [None, Broken()])
def test_output_that_nobody_takes_ends_nothing(stream: Any) -> None:
    lenient = LenientStream(stream)
    assert lenient.write("é\n") == 2
    lenient.flush()
    assert not lenient.isatty()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(28, "No space left on device", "a.txt"),
            "error: 'a.txt': No space left on device.",
        ),
        (MemoryError(), "error: memory is full"),
        (VisionError("\n".join(map(str, range(99)))), "error: 0\n1\n2\n3\n4\n5\n6\n7\n"),
        (VisionError("x" * 5000), "..."),
    ],
)
def test_what_the_system_refuses_ends_in_a_line(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    assert end(fail) == 2
    text = capsys.readouterr().err
    assert said in text
    assert len(text.splitlines()) <= 8
