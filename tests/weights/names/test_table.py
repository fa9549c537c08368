import pytest
import torch
from helpers.refusals import refuses

from vision.errors import WeightsError
from vision.weights.names.operations import as_linear, dropped, each, join
from vision.weights.names.table import Names, Root, within

NAMES = Names(
    [
        ("stem.norm", "stem_norm"),
        *within(
            "layer{i+1}.{2*j}.",
            "stages.{i}.{j}.",
            ("proj_{part}.", "attn.{part}."),
            ("project_{part}.", "attn.{part}."),
            ("", ""),
        ),
        ("head.", "head.fc."),
    ]
)
PAIRS = {
    "layer1.0.proj_q.weight": "stages.0.0.attn.q.weight",
    "layer13.4.norm.bias": "stages.12.2.norm.bias",
    "head.bias": "head.fc.bias",
    "stem.norm": "stem_norm",
    "mask": "mask",
}


def numbered(names: list[str]) -> dict[str, torch.Tensor]:
    return {name: torch.full((1,), float(i)) for i, name in enumerate(names)}


def test_one_table_serves_both_directions() -> None:
    theirs, ours = numbered(list(PAIRS)), numbered(list(PAIRS.values()))
    assert NAMES.read(theirs) == ours
    assert NAMES.write(ours) == theirs


# Python refuses to read a number of so many digits.
MANY = pytest.param(f"layer{'9' * 5000}.0.x", id="many digits")


@pytest.mark.parametrize("name", ["layer0.0.x", "layer1.3.x", "stem.norm.x", "a.head.bias", MANY])
def test_a_name_that_fits_no_row_keeps_its_form(name: str) -> None:
    assert list(NAMES.read(numbered([name]))) == [name]


def test_every_spelling_is_read_and_the_first_is_written() -> None:
    (ours,) = NAMES.read(numbered(["layer1.2.project_k.bias"]))
    assert ours == "stages.0.1.attn.k.bias"
    assert list(NAMES.write(numbered([ours]))) == ["layer1.2.proj_k.bias"]


def test_two_keys_of_one_name_are_refused() -> None:
    with refuses(WeightsError, "'stages.0.0.attn.q.w'", "layer1.0.proj"):
        NAMES.read(numbered(["layer1.0.project_q.w", "layer1.0.proj_q.w"]))


def test_a_whole_classifier_has_its_root_before_the_names_of_the_model() -> None:
    names = Names([("classifier.", "head.fc.")], root=Root("net.", beside=("classifier.", "n.")))
    ours = numbered(["head.fc.bias", "a.bias", "n.bias"])
    theirs = numbered(["classifier.bias", "net.a.bias", "n.bias"])
    assert names.write(ours) == theirs
    assert names.read(theirs) == ours
    del ours["head.fc.bias"]
    assert list(names.write(ours)) == ["a.bias", "n.bias"]


def test_operations_are_undone_in_turn() -> None:
    names = Names(
        [("conv.", "linear.")],
        [
            each(r"^linear\.", as_linear, lambda weight, module: weight[:, :, None, None]),
            join("linear.", {"linear.a.": 2, "linear.b.": 1}),
            dropped(r"^index$", lambda state, module: {"index": torch.arange(module)}),
        ],
    )
    rows = torch.arange(12.0).view(6, 2)
    theirs = {
        "conv.a.weight": rows[:4, :, None, None],
        "conv.b.weight": rows[4:, :, None, None],
        "index": torch.arange(3),
    }
    ours = names.read(theirs)
    assert list(ours) == ["linear.weight"]
    assert torch.equal(ours["linear.weight"], rows)
    written = names.write(ours, 3)
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[key], theirs[key]) for key in theirs)


def test_parts_of_which_one_is_lost_stay_apart() -> None:
    state = numbered(["qk.weight"])
    assert join("qkv.", {"qk.": 2, "v.": 1}).read(state) == state
