import numpy as np
import pytest
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st

from vision.contracts.segmentation import IGNORED
from vision.data.classes.label_tables import ColorTable, LabelTable
from vision.errors import ConfigError, DataError

COLORS = [(128, 64, 128), (244, 35, 232), (0, 0, 0)]


def grid(*rows: list[int], dtype: type = np.uint8) -> np.ndarray:
    return np.array(rows, dtype=dtype)


def test_classes_in_a_row() -> None:
    table = LabelTable.classes(3)
    assert table.num_classes == 3
    assert table.apply(grid([0, 2], [255, 1]), "m.png").tolist() == [[0, 2], [255, 1]]
    assert table.describe() == "0..2 -> classes 0..2; 255 -> ignored"


def test_reduced_zero() -> None:
    table = LabelTable.classes(150, reduce_zero_label=True)
    assert table.apply(grid([0, 1, 150, 255]), "m.png").tolist() == [[255, 0, 149, 255]]
    assert table.describe() == "1..150 -> classes 0..149; 0, 255 -> ignored"
    with refuses(DataError, "151", "1..150", "255"):
        table.apply(grid([151]), "m.png")
    # 255 classes leave no value that is ignored but 0.
    whole = LabelTable.classes(255, reduce_zero_label=True, ignored=())
    assert whole.apply(grid([0, 1, 255]), "m.png").tolist() == [[IGNORED, 0, 254]]


def test_any_values_of_8_and_16_bits() -> None:
    table = LabelTable({7: 0, 300: 1, 65535: IGNORED, 8: 0})
    wide = grid([7, 300], [65535, 8], dtype=np.uint16)
    assert table.apply(wide, "m.png").tolist() == [[0, 1], [255, 0]]
    assert table.apply(grid([7, 8]), "m.png").tolist() == [[0, 0]]
    assert table.describe() == "7 -> class 0; 8 -> class 0; 300 -> class 1; 65535 -> ignored"
    narrow = LabelTable.classes(3)
    assert narrow.apply(grid([0, 255], dtype=np.uint16), "m.png").tolist() == [[0, 255]]
    with refuses(DataError, "256", "1 pixel", "0"):
        narrow.apply(grid([0, 256], dtype=np.uint16), "m.png")


def test_an_unexpected_value_is_counted_and_placed() -> None:
    labels = np.zeros((10, 20), dtype=np.uint8)
    labels[3, 5:] = 200
    labels[4, :] = 200
    labels[6, 1] = labels[7, 1] = 151
    with refuses(DataError, "'a/m.png'", "200", "35 pixels", "1 other", "151", "0..149", "255"):
        LabelTable.classes(150, remedy="Fix it.").apply(labels, "a/m.png")


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=40),
    st.sets(st.integers(0, 300), min_size=1, max_size=20),
    st.booleans(),
)
@examples(60)
def test_a_table_is_the_mapping_itself(pixels: list[int], known: set[int], wide: bool) -> None:
    mapping = {value: IGNORED if place == 3 else place % 3 for place, value in enumerate(known)}
    if {*mapping.values()} - {IGNORED} != {*range(len({*mapping.values()} - {IGNORED}))}:
        return
    if not wide:
        pixels = [value % 256 for value in pixels]
    labels = np.array([pixels], dtype=np.uint16 if wide else np.uint8)
    table = LabelTable(mapping)
    if {*pixels} <= mapping.keys():
        assert table.apply(labels, "m").tolist() == [[mapping[value] for value in pixels]]
    else:
        first = next(value for value in pixels if value not in mapping)
        count = pixels.count(first)
        with pytest.raises(DataError, match=rf"the value {first} in {count} pixel"):
            table.apply(labels, "m")


def test_colours() -> None:
    table = ColorTable(COLORS, ignored=[(255, 255, 255)])
    pixels = np.array([[COLORS[2], COLORS[0]], [(255, 255, 255), COLORS[1]]], dtype=np.uint8)
    assert table.apply(pixels, "m.png").tolist() == [[2, 0], [255, 1]]
    assert table.apply(pixels, "m.png").dtype == np.uint8
    assert table.describe() == (
        "(128, 64, 128) -> class 0; (244, 35, 232) -> class 1; (0, 0, 0) -> class 2; "
        "(255, 255, 255) -> ignored"
    )


def test_an_unexpected_colour_is_counted_and_placed() -> None:
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[1, 4] = pixels[2, :3] = (1, 2, 3)
    pixels[3, 3] = (128, 64, 129)
    with refuses(
        DataError, "'m.png'", "(1, 2, 3)", "4 pixels", "1 other", "(128, 64, 129)", "3 colours"
    ):
        ColorTable(COLORS).apply(pixels, "m.png")


@given(st.integers(0, 9999))
@examples(40)
def test_colours_of_noise_are_looked_up_one_by_one(seed: int) -> None:
    generator = np.random.default_rng(seed)
    colors = np.unique(generator.integers(0, 256, (9, 3)), axis=0)
    labels = generator.integers(0, len(colors), (5, 4))
    found = ColorTable(colors.tolist()).apply(colors[labels].astype(np.uint8), "m")
    np.testing.assert_array_equal(found, labels)


def test_the_wrong_kind_of_file_says_so() -> None:
    with refuses(DataError, "'m.png'", "RGB", "`colors`"):
        LabelTable.classes(2).apply(np.zeros((2, 2, 3), dtype=np.uint8), "m.png")
    with refuses(DataError, "'m.png'", "`colors`"):
        ColorTable(COLORS).apply(np.zeros((2, 2), dtype=np.uint8), "m.png")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelTable({}), ("classes", "label", "table")),
        (lambda: LabelTable({0: 1}), ("classes", "label", "1")),
        (lambda: LabelTable({70000: 0}), ("70000", "0..65535")),
        # The class 255 would be the mark of ignored pixels.
        (lambda: LabelTable.classes(256, ignored=()), ("256 classes", "1", "255")),
        (lambda: LabelTable.classes(0), ("0 classes", "1", "255")),
        (lambda: LabelTable.classes(9, ignored=(3,)), ("ignored=[3]",)),
        (lambda: ColorTable([]), ("0 colours", "1", "255")),
        (lambda: ColorTable([(1, 2, 3), (1, 2, 3)]), ("(1, 2, 3)", "classes")),
        (lambda: ColorTable([(1, 2, 300)]), ("(1, 2, 300)", "colour")),
        (lambda: ColorTable([(1, 2)]), ("(1, 2)", "colour")),
    ],
)
def test_tables_that_cannot_be(make: object, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        make()  # type: ignore[operator]
