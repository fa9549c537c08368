import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.refusals import refuses

from vision.data.transforms.albumentations_rows import import_albumentations, read_transforms
from vision.errors import ConfigError, MissingPackageError

A = pytest.importorskip("albumentations")

ROWS = [
    {"name": "RandomBrightnessContrast", "p": 0.3, "brightness_limit": [-0.1, 0.1]},
    {"name": "OneOf", "p": 0.5, "transforms": [{"name": "Blur"}, {"name": "MedianBlur", "p": 1}]},
]


def pipeline() -> Any:
    blurs = A.OneOf([A.Blur(), A.MedianBlur(p=1)], p=0.5)
    return A.Compose(
        [A.RandomBrightnessContrast(p=0.3, brightness_limit=(-0.1, 0.1)), blurs], p=0.8
    )


def shown(transforms: list[Any]) -> str:
    return json.dumps([transform.to_dict()["transform"] for transform in transforms])


def test_rows_make_the_transforms_that_python_makes() -> None:
    transforms, probability = read_transforms(ROWS)
    assert shown(transforms) == shown(pipeline().transforms)
    assert probability == 1


@pytest.mark.parametrize("source", ["json", "yaml", "dict", "object", "rows"])
def test_every_form_of_a_pipeline_is_the_same(tmp_path: Path, source: str) -> None:
    given: Any = pipeline()
    if source in ("json", "yaml"):
        path = tmp_path / f"augment.{source}"
        A.save(given, path, data_format=source)
        given = str(path)
    elif source == "dict":
        given = A.to_dict(given)
    elif source == "rows":
        given = tmp_path / "rows.yml"
        given.write_text(yaml.safe_dump(ROWS))
    transforms, probability = read_transforms(given)
    assert shown(transforms) == shown(pipeline().transforms)
    assert probability == (1 if source == "rows" else 0.8)


@pytest.mark.parametrize("name", ["RGBShift", "SafeRotate", "SomeOf"])
def test_a_saved_transform_with_arguments_of_its_bases(name: str) -> None:
    """Some files of albumentations have arguments that their own class does not take."""
    made = A.SomeOf([A.RGBShift(), A.Blur()], n=1) if name == "SomeOf" else getattr(A, name)()
    saved_one = A.to_dict(A.Compose([made]))
    assert shown(read_transforms(saved_one)[0]) == shown([made])
    saved_one["transform"]["transforms"][0]["blurr"] = 1
    with refuses(ConfigError, "[0]", "'blurr'"):
        read_transforms(saved_one)


def test_transforms_of_python_stand_among_rows() -> None:
    class Own(A.ImageOnlyTransform):
        def apply(self, img: Any, **params: Any) -> Any:
            return 255 - img

    assert shown(read_transforms({"name": "Blur"})[0]) == shown([A.Blur()])
    transforms, _ = read_transforms([{"name": "Blur"}, Own(p=1)])
    assert [type(transform).__name__ for transform in transforms] == ["Blur", "Own"]


SAVED = {"__version__": "2.0.8", "transform": {"__class_fullname__": "Compose", "p": 1.0}}


def saved(name: str) -> dict[str, Any]:
    row = {"__class_fullname__": name, "p": 1.0}
    return {**SAVED, "transform": {**SAVED["transform"], "transforms": [row]}}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ([{"name": "os.system", "p": 1}], ("augment.albumentations[0]", "'os.system'")),
        (saved("tests.evil.Transform"), ("[0]", "'tests.evil.Transform'")),
        (saved("albumentations.evil.Nothing"), ("'albumentations.evil.Nothing'",)),
        ([{"name": "Lambda", "image": 1}], ("'Lambda'",)),
        ([{"name": "BasicTransform"}], ("'BasicTransform'",)),
        (
            [{"name": "OneOf", "transforms": [{"name": "Blurr"}]}],
            ("[0].transforms[0]", "'Blurr'", "'Blur'"),
        ),
        ([{"name": "Blur", "blur_limits": 3}], ("[0]", "'blur_limits'", "'blur_limit'")),
        ([{"name": "Blur", "p": 7}], ("[0], Blur", "p=7", "1")),
        ([{"name": "OneOf", "p": 1}], ("[0].transforms=None",)),
        (["Blur"], ("[0]='Blur'", "{name: Blur")),
        ([{"p": 1}], ("[0]", "None")),
        ([], ("no transform",)),
        ("Blur", ("'Blur'", ".json", "A.Compose")),
        (3, ("=3", "A.Compose")),
        ([{"name": "RandomCrop3D", "size": [1, 2, 3]}], ("RandomCrop3D is for volumes",)),
        ([{"name": "Normalize"}], ("leave out Normalize", "device")),
        ([{"name": "OneOf", "transforms": [{"name": "ToFloat"}]}], ("leave out ToFloat",)),
        ([{"name": "OverlayElements"}], ("OverlayElements needs 'overlay_metadata'",)),
    ],
)
def test_what_is_not_a_pipeline_is_refused(source: Any, says: tuple[str, ...]) -> None:
    with refuses(ConfigError, *says):
        read_transforms(source)


def test_a_name_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud_module.py").write_text("class Loud: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "saved.json").write_text(json.dumps(saved("loud_module.Loud")))
    with refuses(ConfigError, "'loud_module.Loud'"):
        read_transforms(tmp_path / "saved.json")
    assert "loud_module" not in sys.modules


def test_the_import_asks_no_network() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"  # albumentations goes without: faster
        "import os, socket\n"
        "def refuse(*args, **options): raise SystemExit('asked the network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from vision.data.transforms.albumentations_rows import import_albumentations\n"
        "import_albumentations()\n"
        "print(os.environ['NO_ALBUMENTATIONS_UPDATE'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


def test_an_absent_package_and_another_version_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(A, "__version__", "1.4.0")
        with refuses(MissingPackageError, "2.0.", "1.4.0", "albumentations]"):
            import_albumentations()
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with refuses(MissingPackageError, "augment.albumentations", "albumentations]"):
        read_transforms(ROWS)
