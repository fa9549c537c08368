"""What config files and the command line set, in order, each with its place."""

from pathlib import Path

from vision.cli.settings import read_settings


def test_settings_keep_their_order_and_place(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("model:\n  init_args: &shared\n    lr: 1\nextra:\n  <<: *shared\n")
    settings = read_settings(["--config", str(path), "--model.lr=2", "--flag", "--x", "-1"])
    found = [(s.key, s.value) for s in settings if not isinstance(s.value, dict)]
    assert found == [
        ("model.init_args.lr", 1),
        ("extra.lr", 1),
        ("model.lr", "2"),
        ("flag", None),
        ("x", "-1"),
    ]
    assert settings[2].source == f"{path}, line 3"
    assert settings[2].plain_key == "model.lr"


def test_a_mapping_on_the_command_line_sets_its_entries() -> None:
    settings = read_settings(["--data.augment", "{crop: null, jitter: [0.5, 2], own: {a: 1e-4}}"])
    assert [(s.key, s.value) for s in settings[1:]] == [
        ("data.augment.crop", "null"),
        ("data.augment.jitter", [0.5, 2]),
        ("data.augment.own", {"a": "1e-4"}),
        ("data.augment.own.a", "1e-4"),
    ]
    assert {s.source for s in settings} == {"command line"}
    for text in ("{a: [", "a: 1", "{1, 2", "{{"):
        assert len(read_settings(["--data.augment", text])) == 1
