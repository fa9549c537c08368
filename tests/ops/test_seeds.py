from vision.ops.seeds import mix


def test_mix_is_equal_on_every_machine() -> None:
    # printf sample/0/1/2 | b2sum -l 64
    assert mix("sample", 0, 1, 2) == 0x7E32E67E0D812C93
