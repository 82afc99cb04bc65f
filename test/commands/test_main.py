# SPDX-License-Identifier: Apache-2.0
"""``vljepa`` itself: every end is a status and a sentence, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vljepa_ros.commands import verify
from vljepa_ros.commands.main import (
    FETCH_PACKAGES,
    FLEET_PACKAGES,
    INDEX_PACKAGES,
    MODEL_PACKAGES,
    SUBCOMMANDS,
    main,
)

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def without(package: str, *words: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.modules[{package!r}] = None; "
    code += f"from vljepa_ros.commands.main import main; sys.exit(main({list(words)!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("command", ["import", "train", "train-decoder", "export", "verify"])
def test_without_torch_a_command_says_what_to_install(command: str, tmp_path: Path) -> None:
    arguments = {"verify": [str(tmp_path)]}.get(command, ["--help"])
    done = without("torch", command, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"vljepa {command}: the Python package torch is missing.")
    assert "pip install 'torch' 'transformers>=5.20,<6' 'safetensors>=0.5'" in said


@pytest.mark.parametrize("package", ["lancedb", "pyarrow"])
@pytest.mark.parametrize("command", ["index", "search"])
def test_without_a_store_a_command_says_what_to_install(
    command: str, package: str, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    done = without(package, command, "drawer", "--store", str(tmp_path / "store"))
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"vljepa {command}: the Python package {package} is missing.")
    assert "pip install 'lancedb>=0.40' 'pyarrow>=16' 'tqdm>=4.60'" in said


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("huggingface_hub", ["fetch", "vjepa2-vitl"]),
        ("huggingface_hub", ["fetch", "me/bundle", "--sha256", "ab" * 32]),
        ("cryptography", ["publish", "bundle", "--out", "bundle.tar"]),
    ],
)
def test_without_a_downloader_a_command_says_what_to_install(
    package: str, words: list[str]
) -> None:
    done = without(package, *words)
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"vljepa {words[0]}: the Python package {package} is missing.")
    assert "pip install 'huggingface_hub>=1.0' 'cryptography>=41'" in said


def test_without_torch_nothing_is_downloaded() -> None:
    done = without("torch", "fetch", "open-vljepa", "--accept-licences")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the Python package torch is missing" in done.stderr


@pytest.mark.parametrize(
    ("packages", "file", "more"),
    [
        (MODEL_PACKAGES, "model.txt", {"torch"}),
        (INDEX_PACKAGES, "index.txt", set()),
        (FLEET_PACKAGES, "fleet.txt", set()),
        (FETCH_PACKAGES, "fetch.txt", set()),
    ],
)
def test_what_is_to_be_installed_is_what_the_requirements_say(
    packages: dict[str, str], file: str, more: set[str]
) -> None:
    lines = (REQUIREMENTS / file).read_text(encoding="utf-8").splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    named = {name + versions for name, versions in packages.items()}
    assert named == listed | more


def test_without_a_command_all_of_them_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in SUBCOMMANDS)


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), (["fly"], 2), (["verify"], 2)])
def test_argparse_answers_the_rest(
    words: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == status
    said = capsys.readouterr()
    assert "usage: vljepa" in said.out + said.err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (MemoryError(), 1, "this machine has too little memory"),
        (RecursionError(), 1, "a file is nested too deeply"),
        (KeyboardInterrupt(), 130, "stopped"),
        (PermissionError(13, "Permission denied", "/some/file"), 1, "/some/file: Permission"),
        (ValueError(), 1, "ValueError"),
        (ImportError("libcudart.so: cannot open"), 2, "libcudart.so: cannot open; install that"),
    ],
)
def test_whatever_ends_a_command_is_told_in_one_line(
    error: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr(verify, "run", fail)
    assert main(["verify", "DIR"]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vljepa verify: {said}")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_went_away_is_no_fault(colour_bundle: Path, unbuffered: str) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "vljepa_ros", "inspect", str(colour_bundle)]
    setting = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, env=setting)
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")


def test_ctrl_c_ends_a_command_with_a_sentence() -> None:
    code = "import os, signal; from vljepa_ros.commands import main, verify\n"
    code += "verify.run = lambda args: os.kill(os.getpid(), signal.SIGINT)\n"
    code += "raise SystemExit(main.main(['verify', 'DIR']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "vljepa verify: stopped\n"
