"""Forked processes end as others do, and know their rank as those of torchrun do."""

from pathlib import Path

import pytest
from helpers.forked import run_forked, start_forked

ENDS = {
    "pass": (0, ""),
    "sys.exit(3)": (3, ""),
    "sys.exit('no such file')": (1, "no such file"),
    "raise ValueError('wrong')": (1, "ValueError: wrong"),
    "os.kill(os.getpid(), signal.SIGKILL)": (-9, ""),
    "atexit.register(os._exit, 4)": (4, ""),
}


def write_script(folder: Path, text: str) -> Path:
    path = folder / "script.py"
    path.write_text(f"import atexit, os, signal, sys, time\n{text}\n")
    return path


@pytest.mark.parametrize("text", ENDS)
def test_a_process_ends_with_its_code_and_what_it_says(text: str, tmp_path: Path) -> None:
    code, said = ENDS[text]
    done = run_forked(write_script(tmp_path, text), folder=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)


def test_it_runs_in_its_folder_with_its_arguments_and_variables(tmp_path: Path) -> None:
    script = write_script(tmp_path, "print(sys.argv[1:], os.getcwd(), os.environ['OWN'])")
    done = run_forked(script, "a", "b c", folder=tmp_path, OWN="1")
    assert done.stdout == f"['a', 'b c'] {tmp_path} 1\n"


def test_only_the_first_of_two_writes_for_both(tmp_path: Path) -> None:
    text = "from lightning.pytorch.utilities import rank_zero_only\n"
    text += "rank_zero_only(print)(os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])"
    both = start_forked(write_script(tmp_path, text), folder=tmp_path, ranks=2).wait()
    assert [done.stdout for done in both] == ["0 of 2\n", ""]


def test_where_one_of_two_fails_the_other_does_not_wait_for_ever(tmp_path: Path) -> None:
    text = "sys.exit(5) if os.environ['RANK'] == '1' else time.sleep(200)"
    both = start_forked(write_script(tmp_path, text), folder=tmp_path, ranks=2).wait()
    assert [done.returncode for done in both] == [-9, 5]


def test_a_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    slow = start_forked(write_script(tmp_path, "time.sleep(200)"), folder=tmp_path)
    assert slow.wait(seconds=0.1)[0].returncode == -9
