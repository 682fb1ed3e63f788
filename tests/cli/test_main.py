"""Help, versions, exit codes and the one error boundary."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from repr_probe.cli.failures import explain, one_line
from repr_probe.errors import DatasetError, StoreError, UsageError

HEAVY = ("torch", "sklearn", "scipy.stats", "matplotlib", "nltk", "sentence_transformers", "transformers", "captum", "torchvision", "timm",
         "plotly", "pandas", "h5py", "pyarrow")  # fmt: skip


@pytest.mark.parametrize("command", [[], ["geometry"], ["extract"], ["store"], ["store", "list"], ["store", "rm"], ["store", "path"],
                                     ["datasets"], ["datasets", "get"]])  # fmt: skip
def test_every_command_has_help_with_an_example(run, command):
    done = run(*command, "--help")
    assert (done.code, done.err) == (0, "")
    assert "Usage: repro-probe" in done.out
    if command != ["store"]:
        assert "Example: repro-probe" in done.out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom repr_probe.cli.main import main\n"
        "for command in ([], ['geometry'], ['extract'], ['store'], ['datasets']): assert main([*command, '--help']) == 0\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "loaded: []"


def test_version(run):
    done = run("--version")
    assert done.code == 0
    assert done.out.startswith("repro-probe ")


def test_without_arguments_the_help_is_shown(run):
    done = run()
    assert done.code == 2
    assert "Commands" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["geometri"], "error: No such command 'geometri'"),
        (["geometry"], "error: Missing argument 'CHECKPOINT'"),
        (["extract", "x.pth"], "error: Missing option '--dataset'"),
        (["geometry", "x", "--preset", "huge"], "'huge' is not one of 'paper', 'default', 'full'"),
        (["geometry", "x", "--limit", "0"], "error: Invalid value for '--limit'"),
        (["geometry", "x", "--batch-size", "many"], "error: Invalid value for '--batch-size'"),
        (["geometry", "x", "--no-such-option"], "error: No such option"),
        (["store", "rm"], "error: Missing argument 'KEY'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run, arguments, message):
    done = run(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert done.err.count("\n") == 1
    assert "--help" in done.err


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (DatasetError("dataset must exist; got 'x'"), 1, "error: dataset must exist; got 'x'"),
        (UsageError("--mean must be a number"), 2, "error: --mean must be a number"),
        (StoreError("two\nlines"), 1, "error: two lines"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "error: memory must hold the work; got too little of it; try a smaller --batch-size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "error: memory must hold the work"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "error: the disk is full: /x/y; free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "error: permission denied: /x"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), 1, "error: No such file or directory: /x"),
        (ValueError("odd"), 1, "internal error: ValueError: odd; run again with --debug and report it"),
        (ZeroDivisionError("a\nb\x1b[2J"), 1, "internal error: ZeroDivisionError: a b\\x1b[2J; run again"),
    ],
)
def test_every_failure_is_one_line(capsys, failure, code, text):
    assert explain(failure) == code
    err = capsys.readouterr().err
    assert err.startswith(text)
    assert err.count("\n") == 1


def test_one_line_has_no_control_characters():
    assert one_line("a\r\n\tb\x07\u202e") == "a b\\x07\\u202e"


class Boom(RuntimeError):
    pass


def _raising(failure: BaseException):
    def listed(*_, **__):
        raise failure

    return listed


def test_the_traceback_is_shown_only_with_debug(run, monkeypatch):
    monkeypatch.setattr("repr_probe.workflows.datasets.list_datasets", _raising(Boom("surprise")))
    plain = run("datasets")
    assert plain.code == 1
    assert plain.err == "internal error: Boom: surprise; run again with --debug and report it\n"
    debugged = run("datasets", "--debug")
    assert debugged.code == 1
    assert "Traceback" in debugged.err
    assert debugged.err.endswith(plain.err)
    assert "Traceback" not in run("datasets").err  # the choice does not outlive its command


def test_an_interrupt_is_130(run, monkeypatch):
    monkeypatch.setattr("repr_probe.workflows.datasets.list_datasets", _raising(KeyboardInterrupt()))
    done = run("datasets")
    assert (done.code, done.out, done.err) == (130, "", "interrupted\n")


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m repr_probe.cli.main datasets | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_line():
    command = f"{sys.executable} -m repr_probe.cli.main datasets > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: the disk is full; free some space or choose another --store\n"


def test_a_terminal_without_greek_does_not_crash():
    code = "import sys; from repr_probe.cli.output import say; from repr_probe.cli.main import main; main(['--version']); say('d′ ↑ 90°')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=60, env={**_environment(), "PYTHONIOENCODING": "ascii"}
    )
    assert done.stdout.splitlines()[-1] == b"d? ? 90?"


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)
