"""What a user types."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from training import clean

ROOT = Path(__file__).parent.parent
DOCUMENTED = (
    "quantize",
    "verify",
    "family",
    "train",
    "keyword",
    "import",
    "synthetic",
    "speech",
    "false-accepts",
    "listen-test",
    "tune",
    "peers",
    "level",
    "field-test",
    "bench",
    "bench-check",
    "bench-baseline",
    "stack",
    "npu",
    "board-report",
    "budget",
    "run",
    "selftest",
    "demo",
    "listen",
    "export",
    "report",
    "calibration",
    "docs-figures",
    "lint",
    "test",
    "test-all",
    "clean",
)


def inherited() -> dict[str, str]:
    """The environment without what a make around the tests has put into it."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, env={**inherited(), **environment})


def test_make_alone_lists_every_target():
    listed = make().stdout
    for target in DOCUMENTED:
        assert f"make {target}" in listed
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.M)[1].replace("\\", "").split()
    assert set(phony) == {"help", *DOCUMENTED}


@pytest.mark.parametrize(
    "target, tau",
    [
        ("quantize", "4"),
        ("verify", "7"),
        ("train", "one"),
        ("report", "0"),
        ("run", "5"),
        ("selftest", "9"),
        ("export", "5"),
    ],
)
def test_tau_that_does_not_exist_is_one_line_and_fails(target, tau):
    done = make(target, f"TAU={tau}", "DATA=/nowhere")
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert lines == [f"error: tau {tau} does not exist; choose one of 1, 1.5, 2, 3, 6, 8"]


# What the user gives

AWKWARD = """it's "so" $HOME $(touch a) `touch b` ; touch c & touch d | cat \\ # 100% $$ a  b, c)"""


@pytest.fixture
def recorder(tmp_path) -> Path:
    """A virtual environment, complete, whose Python prints its arguments as a line of JSON; with that of the peers."""
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    environment(tmp_path / "recorder-peers", "exit 1")
    environment(tmp_path / "recorder-vela", "exit 1")
    return environment(tmp_path / "recorder", f"exec {sys.executable} -c '{script}' \"$@\"")


def environment(path: Path, script: str) -> Path:
    """A virtual environment in which all parts are installed and Python is a shell script."""
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "activate").touch()
    executable(path / "bin" / "python", script)
    for part in ("convert", "training", "test", "peers", "listen", "vela"):
        (path / part).touch()
    return path


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def takes() -> dict[str, list[str]]:
    """The variables of each target, by the Makefile."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    return {target: names.split() for target, names in re.findall(r"^(\S+)\.takes := (.*)$", text, re.M)}


def recorded(done: subprocess.CompletedProcess) -> list[list[str]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.parametrize("target", sorted(takes()))
@pytest.mark.parametrize("given", ["on the command line", "by the environment"])
def test_every_value_reaches_the_program_as_it_was_typed_and_no_shell_runs_it(recorder, tmp_path, target, given):
    names = [name for name in takes()[target] if name not in ("DOWNLOAD", "KEEP", "REALTIME", "RESUME", "SERVE")]
    values = {name: f"{AWKWARD} {name}" for name in names}
    on_the_line = [f"{name}={value}" for name, value in values.items()] if given == "on the command line" else []
    before = sorted(ROOT.iterdir())
    done = make(target, f"VENV={recorder}", *on_the_line, **({} if on_the_line else values))
    words_passed = {word for words in recorded(done) for word in words}
    for name, value in values.items():
        assert f"--{name.lower().replace('_', '-')}={value}" in words_passed or value in words_passed, name
    assert sorted(ROOT.iterdir()) == before and done.stderr == ""


def test_values_that_make_would_expand_are_not_expanded_not_even_for_the_environment(recorder, tmp_path):
    made = tmp_path / "made"
    done = make(
        "train",
        f"VENV={recorder}",
        f"OUT=$(shell touch {made})",
        "DATA=$(error no)",
        "SEED=$(SEED)",
        GPU=f"$(shell touch {made})",
    )
    (words,) = recorded(done)
    assert f"--out=$(shell touch {made})" in words and "--seed=$(SEED)" in words and not made.exists()


def test_what_is_given_is_in_the_environment_of_the_program_as_it_was_typed(tmp_path):
    venv = environment(tmp_path / "venv", 'printf "%s|%s" "$CC" "$GSC_ROOT"')
    assert make("family", f"VENV={venv}", "CC=clang -D'x y'", "GSC_ROOT=$x").stdout == "clang -D'x y'|$x"


def test_a_switch_is_on_where_it_is_set_but_not_to_0(recorder):
    for value, on in (("1", True), ("yes", True), ("0", False), ("", False)):
        (words,) = recorded(make("train", f"VENV={recorder}", f"RESUME={value}", f"DOWNLOAD={value}"))
        assert ("--resume" in words, "--download" in words) == (on, on)


def test_several_recordings_are_one_argument(recorder):
    (words,) = recorded(make("speech", f"VENV={recorder}", "RECORDINGS=/one '/two and' three"))
    assert words == ["-m", "training.speech", "--", "/one '/two and' three"]


def test_a_variable_that_does_not_exist_is_refused_and_one_that_is_not_used_is_told(recorder):
    done = make("quantize", f"VENV={recorder}", "tau=3")
    assert done.returncode != 0 and "there is no variable tau" in done.stderr and done.stdout == ""
    done = make("report", f"VENV={recorder}", "EPOCHS=3", "TAU=2")
    assert done.stdout.splitlines()[0] == "note: make report does not use EPOCHS"
    assert recorded(done) == [["-m", "benchmarks.report", "--tau=2"]]
    assert "note" not in make("quantize", "verify", f"VENV={recorder}", "GRAPH=small", "SPLIT=all", "CC=gcc").stdout


def test_variables_of_a_makefile_that_calls_this_one_are_none_of_its_business(recorder):
    done = make("report", f"VENV={recorder}", "PREFIX=/usr", MAKELEVEL="1")
    assert recorded(done) == [["-m", "benchmarks.report", "--tau=1"]] and "note" not in done.stdout


@pytest.mark.parametrize("given", ["OUT=a\nb", "VENV=a b", "VENV=a'b", "VENV=a;touch b", "VENV=$(shell touch b)"])
def test_what_no_recipe_could_hold_is_refused(given):
    before = sorted(ROOT.iterdir())
    done = make("train", given)
    assert done.returncode != 0 and "is wanted" in done.stderr and done.stdout == "" and sorted(ROOT.iterdir()) == before


def test_each_target_takes_the_variables_that_its_recipe_uses():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    for target in DOCUMENTED:
        (recipe,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)*)", text, re.M)
        for name in ("TAU", "BOARD"):
            recipe = recipe.replace(f"$({name}_OPTION)", f"$(call option,--{name.lower()},{name})")
        used = {*re.findall(r"\$\(call (?:option|flag),[\w-]+,(\w+)\)|\$\(call quoted,(?!PYTHON)(\w+)\)", recipe)}
        assert {option or quoted for option, quoted in used} == {*takes().get(target, ())}, target


def test_every_variable_is_in_the_help():
    listed = make().stdout
    for name in {name for names in takes().values() for name in names}:
        assert re.search(rf"\b{name}=", listed), name


def test_paths_with_blanks_reach_the_command(tmp_path):
    done = make("quantize", f"CHECKPOINT={tmp_path}/my own.safetensors")
    assert done.returncode != 0 and f"{tmp_path}/my own.safetensors: no such checkpoint" in done.stderr


def test_a_demo_of_another_checkpoint_leaves_the_build_that_is_exported_alone():
    recipe = make("-n", "demo", "CHECKPOINT=mine.safetensors", "TAU=3").stdout
    commands = [line for line in recipe.replace("\\\n", " ").splitlines() if "/bin/python -m " in line]
    assert [re.search(r" -m (\S+)", line)[1] for line in commands] == ["convert", "firmware_gen", "demo"]
    assert all("--build=build/demo" in line for line in commands)
    assert "build/demo" not in make("-n", "demo", "TAU=3").stdout


def test_another_python_is_one_line_and_leaves_nothing(tmp_path):
    python = tmp_path / "python3.9"
    pretend = "import sys; sys.version_info = (3, 9, 2, 'final', 0); exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$2"\n')
    python.chmod(0o755)
    done = make("train", f"VENV={tmp_path}/venv", f"PYTHON={python}")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0 and len(lines) == 1 and "error: needs Python 3.11 or 3.12 on Linux x86-64" in lines[0]
    assert not (tmp_path / "venv").exists()


# The virtual environment


@pytest.fixture
def log(tmp_path) -> Path:
    """What a fake Python and its environments write down, a line each; with it `fake_python(log)` works."""
    path = tmp_path / "log"
    path.touch()
    return path


def fake_python(log: Path, venv_dies: bool = False, pip_dies: bool = False) -> Path:
    """A Python whose `-m venv` and whose environment's `-m pip` take a while and may be killed half-way."""
    pip = executable(
        log.parent / "pip",
        f"""
        [ "$2" = pip ] || exit 0
        echo "begin $*" >> {log}
        sleep 0.2
        {"kill -9 $PPID $$" if pip_dies else ""}
        echo "end $*" >> {log}""",
    )
    return executable(
        log.parent / "fake",
        f"""
        [ "$1 $2" = "-m venv" ] || exec {sys.executable} "$@"
        [ "$3" != --clear ] || {{ rm -rf "$4"/*; shift; }}
        echo "make" >> {log}
        mkdir -p "$3/bin"
        cp {pip} "$3/bin/python"
        {"kill -9 $PPID $$" if venv_dies else ""}
        sleep 0.2
        touch "$3/bin/activate" """,
    )


def steps(log: Path) -> list[str]:
    """`make`, `begin convert`, `end convert`, …"""
    return [re.sub(r" .*requirements/(\w+)\.txt -c.*", r" \1", line) for line in log.read_text().splitlines()]


def begin(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["make", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=inherited()
    )


def test_no_two_installations_run_at_once_in_one_make_or_in_three(tmp_path, log):
    options = f"VENV={tmp_path}/venv", f"PYTHON={fake_python(log)}"
    running = [begin("-j3", target, *options) for target in ("test", "verify", "verify")]
    output = "".join(process.communicate(timeout=60)[0] for process in running)
    assert [process.returncode for process in running] == [0, 0, 0], output
    found = steps(log)
    assert found[0] == "make" and sorted(found[1::2]) == ["begin convert", "begin test", "begin training"]
    assert [line.replace("begin", "end") for line in found[1::2]] == found[2::2]
    assert f"another installation into {tmp_path}/venv is running; waiting for it to end" in output


def test_an_environment_is_made_and_a_part_installed_once(tmp_path, log):
    for _ in range(2):
        assert make("quantize", f"VENV={tmp_path}/venv", f"PYTHON={fake_python(log)}").returncode == 0
    assert steps(log) == ["make", "begin convert", "end convert"]


def test_an_environment_that_was_half_made_is_made_anew_and_an_older_whole_one_is_kept(tmp_path, log):
    options = "quantize", f"VENV={tmp_path}/venv"
    assert make(*options, f"PYTHON={fake_python(log, venv_dies=True)}").returncode != 0
    assert (tmp_path / "venv" / "bin" / "python").exists()
    (tmp_path / "venv" / "left").touch()
    assert make(*options, f"PYTHON={fake_python(log)}").returncode == 0
    assert steps(log) == ["make", "make", "begin convert", "end convert"] and not (tmp_path / "venv" / "left").exists()
    (tmp_path / "venv" / "left").touch()
    (tmp_path / "venv" / "bin" / "python").unlink()  # as where the interpreter was removed
    assert make(*options, f"PYTHON={fake_python(log)}").returncode == 0 and (tmp_path / "venv" / "left").exists()


def test_a_part_of_which_the_installation_was_killed_is_installed_again(tmp_path, log):
    options = "quantize", f"VENV={tmp_path}/venv"
    assert make(*options, f"PYTHON={fake_python(log, pip_dies=True)}").returncode != 0
    fake_python(log)
    (tmp_path / "venv" / "bin" / "python").write_bytes((tmp_path / "pip").read_bytes())
    assert make(*options, f"PYTHON={tmp_path}/fake").returncode == 0
    assert steps(log) == ["make", "begin convert", "begin convert", "end convert"]


def test_the_linters_have_an_environment_of_their_own(tmp_path, log):
    make("lint", f"VENV={tmp_path}/venv", f"PYTHON={fake_python(log)}")  # ends where the fake one has no ruff
    parts = ("lint", "convert", "training")
    assert [part for part in parts if (tmp_path / "venv-lint" / part).exists()] == ["lint"]
    assert [part for part in parts if (tmp_path / "venv" / part).exists()] == ["convert", "training"]


def test_the_peers_have_an_environment_of_their_own_and_are_run_in_it(tmp_path, log, recorder):
    options = f"VENV={tmp_path}/venv", f"PYTHON={fake_python(log)}"
    assert make("peers", *options).returncode == 0
    parts = ("peers", "convert", "training")
    assert [part for part in parts if (tmp_path / "venv-peers" / part).exists()] == ["peers"]
    assert [part for part in parts if (tmp_path / "venv" / part).exists()] == ["convert", "training"]
    (words,) = recorded(make("peers", f"VENV={recorder}", "RECORDINGS=/radio"))
    assert words == ["-m", "benchmarks.peers", f"--python={recorder}-peers/bin/python", "--", "/radio"]


def test_vela_has_an_environment_of_its_own_and_the_report_is_written_behind_it(tmp_path, log, recorder):
    assert make("npu", f"VENV={tmp_path}/venv", f"PYTHON={fake_python(log)}").returncode == 0
    assert (tmp_path / "venv-vela" / "vela").exists() and not (tmp_path / "venv" / "vela").exists()
    first, second = recorded(make("npu", f"VENV={recorder}", "NPU=ethos-u65-256"))
    assert first == ["-m", "benchmarks.npu", "--tau=1", f"--vela={recorder}-vela/bin/vela", "--npu=ethos-u65-256"]
    assert second == ["-m", "benchmarks.report", "--tau=1", "--quiet"]


def test_axe_core_is_installed_by_npm_into_a_folder_of_its_own_once(tmp_path, log):
    npm = executable(tmp_path / "npm", f'echo "$*" >> {log}')
    for path in (f"{npm.parent}:{os.environ['PATH']}",) * 2:
        assert make(f"{tmp_path}/venv-axe/axe", f"VENV={tmp_path}/venv", PATH=path).returncode == 0
    (words,) = log.read_text().splitlines()
    assert words.startswith(f"ci --prefix {tmp_path}/venv-axe --ignore-scripts")
    locked = json.loads((tmp_path / "venv-axe" / "package-lock.json").read_text())["packages"]
    asked = json.loads((tmp_path / "venv-axe" / "package.json").read_text())["dependencies"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert all(package.get("integrity") for name, package in locked.items() if name)


def test_an_npm_that_fails_or_is_missing_is_one_line(tmp_path):
    executable(tmp_path / "npm", "exit 3")
    for programs, said in (
        (f"{tmp_path}:{os.environ['PATH']}", "could not be installed"),
        (str(tmp_path / "sh"), "no npm found"),
    ):
        (tmp_path / "sh").mkdir(exist_ok=True)
        for program in ("sh", "make", "mkdir", "cp", "touch"):
            if not (tmp_path / "sh" / program).exists():
                (tmp_path / "sh" / program).symlink_to(shutil.which(program))
        done = make(f"{tmp_path}/venv-axe/axe", f"VENV={tmp_path}/venv", PATH=programs)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        assert done.returncode != 0 and len(lines) == 1 and lines[0].startswith("error: ") and said in lines[0], lines
        assert not (tmp_path / "venv-axe" / "axe").exists()


def test_the_emulated_board_that_others_take_by_default_is_none_of_the_user_s(recorder):
    for target in ("budget", "board-report"):
        (words,) = recorded(make(target, f"VENV={recorder}"))
        assert not [word for word in words if word.startswith("--board")]
        (words,) = recorded(make(target, f"VENV={recorder}", "BOARD=nucleo u575"))
        assert "--board=nucleo u575" in words


def test_an_installation_that_fails_ends_with_one_line_that_says_what_to_do(tmp_path, log):
    fake_python(log)
    executable(tmp_path / "pip", "exit 3")
    python = tmp_path / "fake"
    done = make("peers", f"VENV={tmp_path}/venv", f"PYTHON={python}")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0 and len(lines) == 1
    assert re.fullmatch(
        r"error: requirements/\w+\.txt could not be installed .*run it again where there is a network", lines[0]
    )
    assert not any((tmp_path / "venv" / part).exists() for part in ("convert", "training"))


# make clean


def test_clean_keeps_what_was_trained_and_says_where(tmp_path):
    build = tmp_path / "build"
    trained = ["last.pt", "tau1.safetensors", "tau1.md", "run.png"]
    keep = [*(f"tau1/training/{name}" for name in trained), "1/tau3.safetensors", "1/tau3.md", "2/last.pt"]
    keep += [f"1/tau3.{name}" for name in ("detector.json", "calibration/audio.npy", "calibration/clips.json")]
    gone = [
        "tau1/model.onnx",
        "tau1/training/decoded/training-1.npy",
        "tau1/report.md",
        "tau1/training/other.calibration/audio.npy",
        "cache/a.so",
        "1/tau1.md",
        "tests/run.png",
        "a file",
    ]
    for name in keep + gone:
        (build / name).parent.mkdir(parents=True, exist_ok=True)
        (build / name).write_text(name)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (build / "link").symlink_to(tmp_path / "mine")
    done = subprocess.run([sys.executable, "-m", "training.clean", str(build)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(str(path.relative_to(build)) for path in build.rglob("*") if not path.is_dir()) == sorted(keep)
    assert sorted(done.stdout.splitlines()) == [
        f"{build}/{name}: kept, for what was trained there" for name in ("1", "2", "tau1/training")
    ]
    assert (tmp_path / "mine" / "file").exists()


def test_clean_leaves_no_folder_where_nothing_was_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build" / "tau1" / "firmware").mkdir(parents=True)
    for _ in range(2):
        assert clean.main([]) == 0 and [*tmp_path.iterdir()] == [] and capsys.readouterr().out == ""
    (tmp_path / "build").touch()
    assert clean.main([]) == 0 and [*tmp_path.iterdir()] == []


def test_make_clean_needs_no_environment(tmp_path):
    python = executable(tmp_path / "python", 'echo "$*"')
    assert make("clean", f"PYTHON={python}", f"VENV={tmp_path}/none").stdout == "-m training.clean\n"


def test_requirements_pin_every_version():
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines():
            pinned = re.fullmatch(r'[\w.-]+==[\w.]+( ?; [\w ="<.]+)?', line)
            assert not line or line.startswith("#") or pinned, f"{path}: {line}"
