from vision.ops.grouping import places_by


def test_places_of_equal_keys_keep_their_order() -> None:
    assert list(places_by([(3, 2), (1, 1), (3, 2)]).items()) == [((3, 2), [0, 2]), ((1, 1), [1])]
    assert places_by([]) == {}
