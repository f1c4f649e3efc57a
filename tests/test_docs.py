"""README, CONTRIBUTING and docs/: links lead somewhere, commands exist, figures are those of the recorded files."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import io
import json
import re
import shlex
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from emulated import need_emulator

from benchmarks.report import figures
from common.description import REACH, STREAM_COLUMNS
from common.shipped import ROOT
from detector import settings

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
)
README_WORDS = 1500
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
EVERYWHERE = {"PYTHON"}
"""Variables that every target takes."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


# ---- links ----


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


@every_page
def test_every_link_and_anchor_resolves(page):
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@every_page
def test_every_file_of_the_project_that_is_named_exists(page):
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build", "data", ".venv"}
    for span in SPAN.findall(FENCE.sub("", page.read_text())):
        if re.fullmatch(r"[\w./*<>{},-]+", span) and "/" in span and span.partition("/")[0] in folders:
            assert any(ROOT.glob(re.sub(r"<\w+>|\{.*?\}", "*", span).rstrip("/"))), span


def test_every_page_of_the_documentation_is_in_its_index():
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text())}
    assert {*(ROOT / "docs").rglob("*.md")} - {index} <= linked


def test_every_drawing_is_well_formed_described_and_shown():
    linked = {(page.parent / link).resolve() for page in PAGES for link in LINK.findall(page.read_text())}
    for path in (ROOT / "docs" / "drawings").iterdir():
        names = [child.tag.rpartition("}")[2] for child in ElementTree.parse(path).getroot()]
        assert names[:2] == ["title", "desc"] and path in linked, path.name


# ---- commands ----


def code(page: Path) -> list[str]:
    """Every line of a page's code: fenced ones but for C, continued lines joined, and spans."""
    text = page.read_text()
    fenced = [body for language, body in FENCE.findall(text) if language not in ("c", "cpp")]
    lines = [line for body in fenced for line in body.replace("\\\n", " ").splitlines()]
    return lines + [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text))]


@functools.cache
def takes() -> dict[str, set[str]]:
    """The variables that each target of the Makefile takes."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    found = dict(re.findall(r"^([\w-]+)\.takes := (.*)$", text, re.M))
    return {target: set(found.get(target, "").split()) for target in re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split()}


def words_of(line: str) -> list[str]:
    """The words of a shell line without its comment; a placeholder such as <folder> is one word, `…` is left out."""
    return [word for word in shlex.split(re.sub(r"<[^>]*>", "placeholder", line), comments=True) if word != "…"]


@every_page
def test_every_make_line_names_a_target_and_variables_that_exist(page):
    for line in code(page):
        if re.match(r"make( |$)", line):
            words = words_of(line)[1:]
            targets = {word for word in words if "=" not in word}
            environments = {word for word in targets if word == f".venv-{Path(word).name}/{Path(word).name}"}
            assert {Path(word).name for word in environments} <= {path.stem for path in (ROOT / "requirements").iterdir()}
            assert targets - environments <= takes().keys(), line
            for target in targets - environments:
                named = {word.partition("=")[0] for word in words if "=" in word}
                assert named <= takes()[target] | EVERYWHERE, line


@functools.cache
def options(module: str) -> set[str]:
    """The options that the help of `python -m module` lists."""
    found = importlib.util.find_spec(module)
    assert found, f"python -m {module}: no such module"
    command = importlib.import_module(f"{module}.__main__" if found.submodule_search_locations else module)
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
        command.main(["--help"])
    return set(re.findall(r"^  (--[a-z][\w-]*)", out.getvalue(), re.M))


@every_page
def test_every_python_command_exists_and_has_its_options(page):
    for line in code(page):
        named = re.search(r"python(?:3\.11)? -m ([\w.]+)(.*)", line)
        if named and named[1] not in ("pytest", "venv", "pip"):
            assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", named[2])) <= options(named[1]) | {"--help"}, line


def sections() -> dict[str, str]:
    """The commands of the reference: module -> text of its section."""
    text = (ROOT / "docs" / "reference.md").read_text()
    commands = text.partition("\n## Commands behind it\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^### ([\w.]+)\n(.*?)(?=^### |\Z)", commands, re.M | re.S))


@pytest.mark.parametrize("module", sections())
def test_the_reference_names_every_option_of_a_command_and_no_other(module):
    rows = re.findall(r"^\| (`--.*?) \|", sections()[module], re.M)
    assert set(re.findall(r"--[a-z][\w-]*", " ".join(rows))) == options(module)


def test_the_reference_has_every_command_that_the_makefile_runs():
    run = re.findall(r"\$\(BIN\) -m ([\w.]+)", (ROOT / "Makefile").read_text())
    assert set(run) - {"pytest", "pip"} <= sections().keys()


def test_the_reference_names_every_target_with_its_variables():
    table = (ROOT / "docs" / "reference.md").read_text().partition("## Commands behind it")[0]
    named = {}
    for targets, variables in re.findall(r"^\| (`[a-z].*?) \|(.*?) \| ", table.replace("\\|", "/"), re.M):
        named |= {target: set(re.findall(r"`([A-Z_]+)", variables)) for target in re.findall(r"`([\w-]+)`", targets)}
    assert named == {target: variables for target, variables in takes().items() if target != "help"}


# ---- figures ----


def test_tables_are_those_of_the_recorded_files():
    assert not [name_of(page) for page in figures.out_of_date(None)], "run `make docs-figures`"


def test_sample_outputs_are_those_of_the_commands(tau1_build):
    need_emulator()
    assert not [name_of(page) for page in figures.out_of_date(tau1_build)], "run `make quantize TAU=1 && make docs-figures`"


def test_every_table_is_shown_somewhere():
    found = {name for page in figures.pages() for _, name, *_ in figures.BLOCK.findall(page.read_text())}
    assert found == {*figures.RECORDED, *figures.BUILT}


@pytest.fixture
def page(tmp_path, monkeypatch) -> Path:
    """A README whose table is out of date, in a folder of its own."""
    (tmp_path / "README.md").write_text("before\n<!-- figures: other-words -->\nold\n<!-- end -->\nbehind\n")
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "README.md"


def test_a_compiler_s_name_is_not_broken_between_lines():
    assert "arm-none-eabi-gcc" in figures.dates() and figures.dates().count("\n") > 1


def test_a_page_that_is_out_of_date_is_named_and_rewritten(page, capsys):
    assert figures.main([]) == 1 and "old" in page.read_text()
    assert "README.md: out of date; run `make docs-figures`" in capsys.readouterr().out
    assert figures.main(["--write"]) == 0
    text = page.read_text()
    assert text.startswith("before\n<!-- figures: other-words -->\n| tau | ") and text.endswith("|\n<!-- end -->\nbehind\n")
    assert figures.main([]) == 0


def test_figures_that_do_not_exist_are_one_line(page, failure):
    page.write_text("<!-- figures: wishes -->\n<!-- end -->\n")
    assert "README.md: no such figures: wishes; choose one of results, " in failure(figures.main)


def test_sentences_have_the_figures_of_the_recorded_files():
    """Those that stand in sentences, outside of the tables."""
    verified = json.loads((ROOT / "checkpoints" / "tau1-accurate.verify.json").read_text())
    counts = [verified["clips"], *(part["clips"] for part in verified["parts"].values())]
    pages = "README.md", "docs/accuracy.md", "docs/listening.md", "docs/integration/index.md"
    texts = {name: " ".join((ROOT / name).read_text().split()) for name in pages}
    assert f"over {counts[0]:,} recordings" in texts["README.md"] and f"{counts[0]:,} clips" in texts["docs/accuracy.md"]
    assert f"takes {counts[1]:,} clips of the validation split" in texts["docs/accuracy.md"]
    assert f"and {counts[2]:,} of the official test-set" in texts["docs/accuracy.md"]
    lag = f"{10 * REACH + 5 * STREAM_COLUMNS} ms"
    for name in ("docs/listening.md", "docs/integration/index.md"):
        assert lag in texts[name], name
    assert f"{settings.REPEAT_MS} ms" in texts["docs/listening.md"]
    assert f"{settings.REFRACTORY_MS} ms" in texts["docs/listening.md"]
    drawing = (ROOT / "docs" / "drawings" / "listening.svg").read_text()
    assert f"{STREAM_COLUMNS} columns" in drawing and lag in drawing


# ---- README ----


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_text().split()) <= README_WORDS


def test_the_function_that_raises_the_level_compiles_and_saturates(tmp_path):
    found = re.search(r"```c\n(static int16_t.*?)```", (ROOT / "docs" / "integration" / "microphone.md").read_text(), re.S)[
        1
    ]
    function = re.search(r"int16_t (\w+)\(", found)[1]
    pairs = {5 << 12: 5, 1 << 27: 32767, 1 << 30: 32767, -(1 << 27): -32768, -(1 << 30): -32768}
    wrong = " || ".join(f"{function}({sample}) != {louder}" for sample, louder in pairs.items())
    (tmp_path / "main.c").write_text(f"#include <stdint.h>\n{found}\nint main(void) {{ return {wrong}; }}\n")
    subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-o", tmp_path / "main", tmp_path / "main.c"],
        check=True,
    )
    assert subprocess.run([tmp_path / "main"]).returncode == 0


@pytest.mark.parametrize(
    "page, says, template, sets",
    [
        ("arduino", r"Its (\d+) is 20 dB more", "_arduino_sketch.j2", r"GAIN = (\d+),"),
        ("esp-idf", r"The default of (\d+) assumes", "esp_idf/Kconfig.projbuild.j2", r"LISTEN_SHIFT\n.*\n +default (\d+)"),
        ("zephyr", r"The default of (\d+), 18 dB", "zephyr/sample_Kconfig.j2", r"LISTEN_GAIN_BITS\n.*\n\s+default (\d+)"),
    ],
)
def test_gains_of_the_examples_are_those_of_their_pages(page, says, template, sets):
    templates = ROOT / "firmware_gen" / "templates" / "export"
    found = re.search(sets, (templates / template).read_text())[1]
    assert re.search(says, (ROOT / "docs" / "integration" / f"{page}.md").read_text())[1] == found
    table = (ROOT / "docs" / "integration" / "microphone.md").read_text()
    assert re.search(rf"(the example takes|LISTEN_SHIFT`,|GAIN_BITS`,) {found}\b", table)
