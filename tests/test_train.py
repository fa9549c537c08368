"""train.py as a user runs it."""

import subprocess
import sys
from pathlib import Path

import train
from vision.cli.config_files import find_config

TRAIN = Path(train.__file__)
# What a training of the digits needs none of: packages of other tasks, formats and commands.
NEEDLESS = {"albumentations", "av", "cv2", "faster_coco_eval", "gradio", "h5py", "mmcv", "mmengine"}
NEEDLESS |= {"mmseg", "monai", "nibabel", "onnx", "onnxruntime", "onnxscript", "pandas"}
NEEDLESS |= {"pycocotools", "skimage", "sklearn", "supervision", "timm"}


def test_the_quickstart_runs_from_any_directory_and_its_commands_work(tmp_path: Path) -> None:
    # The whole quickstart takes a minute; a config of the same name shortens it.
    code = (
        "import sys, train; sys.argv = [train.__file__];"
        "from vision.cli.main import main;"
        "code = main([*train.QUICKSTART, '--trainer.max_epochs', '2']);"
        f"print('needless:', sorted({NEEDLESS} & {{*sys.modules}}));"
        "sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(TRAIN.parent), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "needless: []"
    folder = tmp_path / "runs/digits_convnext/version_0"
    assert (folder / "checkpoints/best.ckpt").exists()
    assert (folder / "predictions.png").exists()
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    # Two epochs do better than chance by far.
    best = next(line for line in lines if line.startswith("best val/top1"))
    assert float(best.split()[2]) > 0.5
    commands = [line.strip() for line in lines if " --config " in line]
    assert len(commands) == 3
    tools = [line.split() for line in lines if "/tools/" in line]
    assert [Path(words[1]).stem for words in tools] == ["evaluate", "predict", "export"]
    for words in tools:
        given = words[3] if words[2] == "model" else words[2]
        assert (tmp_path / given).exists()
    configs = [command.split(" --config ")[1].split()[0] for command in commands]
    assert all((tmp_path / config).exists() for config in configs[:2])
    assert find_config(configs[2]).is_file()


def test_help_answers_at_once() -> None:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", TRAIN, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "fit" in result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "vision.cli.main" in imported
    assert not imported & {"torch", "lightning", "torchvision"}


def test_the_quickstart_config_exists() -> None:
    assert find_config(train.QUICKSTART[-1]).is_file()
