"""Nothing that a model file names is opened, fetched, imported or run."""

import copy
import importlib.util
import json
import math
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_predict import tiny_model
from helpers.watched import the_watch

from vision.errors import VisionError
from vision.predict.load import load
from vision.predict.model import Model
from vision.tasks.detectors import DETECTORS
from vision.tasks.file_arguments import SOURCES, TRAINING
from vision.tasks.segmentors import SEGMENTORS
from vision.weights.model_file import write_model

MODULE = "module_of_a_stranger"
Place = tuple[str | int, ...]
# The second backbone has options that are text.
CVT = {"dims": [8, 16, 16], "depths": [1, 1, 1], "num_heads": [1, 1, 2], "act": "gelu"}
CVT |= {"projection": "dw_bn"}
MMSEG_HEAD = {
    "type": "FCNHead",
    "channels": 8,
    "num_convs": 1,
    "norm_cfg": {"type": "BN", "eps": 1e-5},
    "act_cfg": {"type": "ReLU"},
    "input_transform": "resize_concat",
    "in_index": [2, 3],
    "auxiliary": {"type": "FCNHead", "channels": 8, "loss_decode": {"type": "DiceLoss"}},
    "loss_decode": {"type": "CrossEntropyLoss", "class_weight": [1.0, 1.0, 1.0, 1.0]},
    "init_cfg": {"type": "Normal", "std": 0.01, "override": {"name": "conv_seg"}},
}
MODELS: dict[str, dict[str, Any]] = {
    "classification": {},
    "retinanet": {"neck_options": {"out_channels": 16, "extra": "conv_input"}},
    "fcos": {"neck_options": {"out_channels": 16, "extra": "conv_output"}},
    "mask_rcnn": {"head_options": {"box_head": "2fc"}},
    "cascade_mask_rcnn": {"head_options": {"box_head": "4conv1fc"}},
    "upernet": {"family": "cvt", "backbone_options": CVT},
    "semantic_fpn": {},
    "segformer": {},
    "mmseg": {"head_options": MMSEG_HEAD},
}


def build(name: str) -> Model:
    """A small model by the name of its detector or segmentor."""
    if name == "mmseg" and importlib.util.find_spec("mmseg") is None:
        pytest.skip("mmsegmentation is not installed")
    if name in DETECTORS:
        return tiny_model("detection", detector=name, **MODELS[name])
    if name in SEGMENTORS:
        return tiny_model("segmentation", segmentor=name, **MODELS[name])
    return tiny_model(name)


# Options that an attack would bring along.
KEYS = ("_scope_", "_target_", "class_path", "init_cfg", "pretrained", "checkpoint", "weights")
KEYS += ("pretrained_cfg", "checkpoint_path", "pretrained_cfg_overlay", "__class__", "loss_cls")
NUMBERS: tuple[Any, ...] = (10**9, -1, 1e300, math.nan, [[[[1]]]], {"type": 1})


class Stranger:
    """Writes the file of a model with another description, and things that it may name."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder, self.path = folder, folder / "model.safetensors"
        model = build(name)
        self.description: dict[str, Any] = dict(model.description)
        self.whole = write_model(self.path, model.task.state_dict(), model.description).read_bytes()
        self.made = folder / "made"
        (folder / f"{MODULE}.py").write_text(f"open({str(self.made)!r}, 'w')\n")
        pickle = folder / "weights.pkl"
        # A pickle of protocol 0 that opens a file for writing.
        pickle.write_text(f"cbuiltins\nopen\n(V{self.made}\nVw\ntR.")
        self.texts: list[Any] = [
            *(str(pickle), "http://127.0.0.1:9/weights.pkl", f"hf-hub:{folder}", f"{MODULE}.run"),
            *(
                f"local-dir:{folder}",
                f"timm/local-dir:{folder}",
                "hf://a/b",
                "\x1b[2J\n",
                "x" * 9999,
            ),
            {"type": f"{MODULE}.run"},
            {"class_path": f"{MODULE}.Run", "init_args": {}},
            {"type": "Pretrained", "checkpoint": str(pickle)},
        ]

    def load(self, description: Any) -> Model | None:
        """Load the file with another description; None if it was refused."""
        size = int.from_bytes(self.whole[:8], "little")
        header = json.loads(self.whole[8 : 8 + size])
        header["__metadata__"]["vision"] = json.dumps(description)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.path.write_bytes(len(text).to_bytes(8, "little") + text + self.whole[8 + size :])
        loaded, message = None, str(self.path)
        with the_watch().watching(self.path, module=MODULE) as seen:
            try:
                loaded = load(self.path)
            except VisionError as error:
                message = str(error)
        assert str(self.path) in message
        assert seen == []
        assert not self.made.exists()
        return loaded


@pytest.fixture(scope="module", params=MODELS)
def known(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    stranger = Stranger(request.param, tmp_path_factory.mktemp("stranger"))
    # First its own imports.
    assert stranger.load(stranger.description) is not None
    return stranger


@pytest.fixture
def stranger(known: Stranger, monkeypatch: pytest.MonkeyPatch) -> Stranger:
    monkeypatch.syspath_prepend(known.folder)
    monkeypatch.chdir(known.folder)
    return known


def places(value: Any, before: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Each value that holds no others, and where it stands."""
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*before, key))
    else:
        yield before, value


def put(description: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """A copy with another value in a place."""
    changed = copy.deepcopy(description)
    inner: Any = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def is_built(place: Place) -> bool:
    """Whether a constructor gets what stands in a place."""
    left_out = (*TRAINING, *SOURCES, "loss_decode", "init_cfg")
    return place[0] == "hyper_parameters" and not any(key in left_out for key in place)


def test_every_text(stranger: Stranger) -> None:
    found = [place for place, value in places(stranger.description) if isinstance(value, str)]
    alone = [place for place in found if is_built(place) or place in (("task",), ("kind",))]
    assert len(alone) >= 3
    for text in stranger.texts:
        for place in alone:
            loaded = stranger.load(put(stranger.description, place, text))
            assert loaded is None or place == ("kind",)
    # What no constructor gets is changed together, to be quick.
    others = [place for place in found if place not in alone]
    for shift in range(3):
        changed = stranger.description
        for i, place in enumerate(others):
            text = stranger.texts[(i + 5 * shift) % len(stranger.texts)]
            changed = put(changed, place, text)
        stranger.load(changed)


def test_text_in_the_place_of_anything_else(stranger: Stranger) -> None:
    for i, (place, value) in enumerate(places(stranger.description)):
        if not isinstance(value, str) and is_built(place):
            text = stranger.texts[i % len(stranger.texts)]
            assert stranger.load(put(stranger.description, place, text)) is None, place


def test_options_that_nobody_asked_for(stranger: Stranger) -> None:
    arguments = stranger.description["hyper_parameters"]
    groups: list[Place] = [("hyper_parameters",)]
    groups += [(*groups[0], key) for key, value in arguments.items() if isinstance(value, dict)]
    for i, key in enumerate(KEYS):
        for group in groups if i < 2 else groups[i % len(groups) :][:1]:
            text = stranger.texts[i % len(stranger.texts)]
            stranger.load(put(stranger.description, (*group, key), text))


def test_absurd_numbers(stranger: Stranger) -> None:
    # An earlier test's peak would hide this one's, so that it begins anew, where the system can.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for place, value in places(stranger.description):
        if isinstance(value, int | float) and is_built(place):
            for number in NUMBERS:
                loaded = stranger.load(put(stranger.description, place, number))
                assert loaded is None or number == -1, (place, number)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000, "kilobytes"
