"""The report's page: well formed, complete in one file, and every figure on it is the one in report.json."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import axe
import numpy as np
import pytest
from PIL import Image
from test_report import bench, verification, write_json

from benchmarks.cost import bench as run_bench, engine_layers
from benchmarks.report import accuracy_plots, contents, html, memory, npu_section, plots, values
from benchmarks.report.plots import Figure, Stack, Whisker
from common import build_folder
from demo.browser import Browser
from engine import network

MOST_BYTES = 1_000_000
VOID = {"meta", "link", "br", "hr", "img", "input"}
UNITS = {"%": 100, "M": 1e-6, "k": 1e-3, "KB": 1 / 1024, "dB": 1, "B": 1, "": 1}
COMPLETE = pytest.mark.parametrize("build", ["complete"], indirect=True)
KINDS = ("complete", "nothing measured", "no native engine", "costs without layers")


def layers(build: Path) -> dict:
    """Instructions of a window by layer, of no particular core."""
    numbers = iter(range(1_000, 100_000, 517))
    blocks = [
        {stage: next(numbers) for stage in engine_layers.STAGES} for _ in network.load(build / build_folder.NATIVE).blocks
    ]
    tail = {name: next(numbers) for name in engine_layers.TAIL}
    return {"head": next(numbers), "blocks": blocks, **tail, "rest": 4711}


def npu_row(build: Path, name: str) -> dict:
    """What Vela might have estimated."""
    conversion = build_folder.load(build)
    layers = [
        {
            "operator": operator,
            "target": "NPU",
            "sram_bytes": 4_711 * number,
            "cycles": cycles,
            "flash_cycles": 17,
            "macs": 808_000,
        }
        for number, (operator, cycles) in enumerate([("Conv2D", 58_916), ("Relu", 0), ("Mul", 1_212), ("Conv2D", 592)])
    ]
    return {
        "npu": name,
        "measured": "2031-05-06",
        "command": f"make npu NPU={name}",
        "vela": "9.9",
        "model": conversion["graphs"][conversion["graph"]]["sha256"],
        "system": "Ethos_U55_High_End_Embedded",
        "memory_mode": "Shared_Sram",
        "tflite_bytes": 45_678,
        "cycles": 60_720,
        "sram_bytes": 66_512,
        "dram_bytes": 0,
        "flash_bytes": 35_920,
        "clock_hz": 500_000_000,
        "layers": layers,
    }


@pytest.fixture(params=KINDS)
def build(request, tau1_build, tmp_path) -> Path:
    """A build of which more or less was measured."""
    path = tmp_path / "tau1"
    shutil.copytree(tau1_build, path)
    for name in (
        build_folder.VERIFY,
        build_folder.BENCH,
        build_folder.REPORT_JSON,
        build_folder.REPORT_MARKDOWN,
        build_folder.REPORT_HTML,
    ):
        (path / name).unlink(missing_ok=True)
    if request.param == "nothing measured":
        return path
    origin = {"clips": 40, "top1": {"pytorch": 0.95, "tflm": 0.925}, "device_top1": {"native": 0.9, "tflm": 0.9}}
    write_json(path / build_folder.VERIFY, verification(path, parts={"test-set archive (v0.02/x~y)": origin}, split="all"))
    write_json(path / build_folder.NPU, {"rows": [npu_row(path, name) for name in ("ethos-u55-128", "ethos-u85-256")]})
    costs = bench(path)
    if request.param != "costs without layers":
        more = {
            "layers": layers(path),
            "engine_code_bytes": 5_432,
            "frontend_hop": 20_123,
            "frontend_clip": 2_345_678,
            "frontend_state_bytes": 2_100,
            "frontend_stack_bytes": 111,
            "frontend_flash_bytes": 7_654,
            "frontend_code_bytes": 2_765,
            "detector_hop": 432,
            "detector_hop_mean": 410.5,
            "detector_state_bytes": 52,
            "detector_stack_bytes": 61,
            "detector_flash_bytes": 643,
        }
        costs["boards"] = {core: row | more for core, row in costs["boards"].items()}
    write_json(path / build_folder.BENCH, costs)
    if request.param == "no native engine":
        conversion = path / build_folder.CONVERSION
        write_json(conversion, json.loads(conversion.read_text()) | {"native": {"refused": "a sum is <too> large"}})
        (path / build_folder.NATIVE).unlink()
    return path


@pytest.fixture
def written(build, tmp_path) -> tuple[dict, str]:
    """report.json and report.html."""
    contents.write(build, tmp_path / "absent.verify.json")
    return json.loads((build / build_folder.REPORT_JSON).read_text()), (build / build_folder.REPORT_HTML).read_text()


class Reader(HTMLParser):
    """Checks that every element is closed where it has to be; gathers figures and where digits stand."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict]] = []
        self.figures: list[tuple[str, str, str]] = []  # pointer, value, text
        self.loose: list[str] = []
        self.ids: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list) -> None:
        found = dict(attributes)
        assert len(found) == len(attributes), f"<{tag}> has an attribute twice"
        self.ids += [found["id"]] if "id" in found else []
        if tag not in VOID:
            self.open.append((tag, found))
        if "data-key" in found:
            self.figures.append((found["data-key"], found["value" if tag == "data" else "data-value"], ""))

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop()[0] == tag, f"</{tag}> closes nothing"

    def handle_data(self, text: str) -> None:
        tag, attributes = self.open[-1] if self.open else ("", {})
        kinds = set((attributes.get("class") or "").split())
        if tag in ("data", "text") and "data-key" in attributes:
            key, value, _ = self.figures.pop()
            self.figures.append((key, value, text))
        elif tag == "title" and len(self.open) > 1 and "data-key" in self.open[-2][1]:  # of a mark in a plot
            mark = self.open[-2][1]
            self.figures.append((mark["data-key"], mark["data-value"], text.rpartition(": ")[2]))
        elif (
            re.search(r"\d", text)
            and tag not in ("title", "desc")
            and (
                any(name == "td" for name, _ in self.open)
                or "big" in kinds
                or (tag == "text" and not kinds & {"tick", "name", "class"})
            )
        ):
            self.loose.append(text)


def says(text: str, value: float | int | bool | str) -> bool:
    """Whether a text shows this value, rounded to the digits that it has."""
    if isinstance(value, str):
        return text == value
    if isinstance(value, bool):
        return text == ("yes" if value else "no")
    number, _, unit = text.replace(",", "").replace("−", "-").partition("\N{NO-BREAK SPACE}")
    decimals = len(number.partition(".")[2])
    return abs(float(number) - value * UNITS[unit]) <= 0.5000001 * 10.0**-decimals


def mismatches(page: str, content: dict) -> list[str]:
    """Figures of a page that are not those of report.json."""
    wrong = []
    for key, value, text in Reader(page).figures:
        held = values.look_up(content, key)
        if json.loads(value) != held or (text and not says(text, held)):
            wrong.append(f"{key}: {held}, but {value} is shown as {text!r}")
    return wrong


def test_every_figure_is_the_one_in_the_json(written):
    content, page = written
    assert len(Reader(page).figures) > 200
    assert mismatches(page, content) == []


def test_no_figure_of_a_table_headline_or_plot_stands_there_without_its_key(written):
    assert Reader(written[1]).loose == []


def test_the_check_of_figures_sees_a_wrong_one(written):
    content, page = written
    marked = f"{content['model']['parameters']:,}</data>"
    assert marked in page
    assert len(mismatches(page.replace(marked, "9,999</data>"), content)) >= 1
    content["memory"]["arena_bytes"] += 1
    assert any(line.startswith("/memory/arena_bytes") for line in mismatches(page, content))


def test_page_is_well_formed_and_each_plot_has_title_and_description(written):
    page = written[1]
    ids = Reader(page).ids
    assert len(ids) == len(set(ids))
    drawn = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawn) >= 3
    for plot in drawn:
        root = ElementTree.fromstring(plot)
        assert [child.tag for child in root[:2]] == ["title", "desc"] and root[0].text and root[1].text
        assert set(root.attrib["aria-labelledby"].split()) <= set(ids)


def test_page_is_one_file_under_a_megabyte(written):
    page = written[1]
    assert len(page.encode()) < MOST_BYTES
    assert not re.search(r"https?://|@import|url\(|<script|<img|<iframe|\ssrc=", page)
    assert set(re.findall(r'href="([^"]*)"', page)) <= {"data:,", *(f"#source-{n}" for n in range(1, 5))}


def test_what_was_not_measured_has_its_command_and_no_figure(written, request):
    content, page = written
    keys = {key for key, _, _ in Reader(page).figures}
    accuracy, costs = (any(key.startswith(start) for key in keys) for start in ("/accuracy/", "/native/costs/"))
    assert accuracy == (content["accuracy"] is not None)
    assert costs == bool(content["native"].get("costs"))
    if content["accuracy"] is None:
        assert "make verify TAU=1" in page and "make bench TAU=1" in page
    if "refused" in content["native"]:
        assert "a sum is &lt;too&gt; large" in page and "<too>" not in page


def test_an_npu_stands_beside_the_native_engine_where_it_was_compiled_for_one(written):
    content, page = written
    section = page.partition("<h2>On an Ethos-U</h2>")[2].partition("<h2>")[0]
    assert bool(section) == bool(content["npu"])
    if not section:
        return
    for text in (
        'data-key="/npu/1/cycles">60,720</data>',
        'data-key="/npu/0/operators/0/cycles">59,508</data>',
        'data-key="/npu/0/layers/3/cycles">592</data>',
        'ethos-u55-128, cycles (Ethos_U55_High_End_Embedded, Shared_Sram)</th><td data-head="what it is">estimate</td>',
        "<code>make npu NPU=ethos-u85-256</code>",
    ):
        assert text in section
    beside, advised = content["beside_npu"], "<strong>For listening without end the native engine on the CPU is the better"
    assert (beside is None) == ("refused" in content["native"])
    if beside:
        assert f'data-key="/beside_npu/network_window">{beside["network_window"]:,}</data>' in section
        assert ", instructions</th>" in section and section.count(advised) == 2
    else:
        assert section.count(npu_section.NOT_COUNTED) == 2 and ", instructions</th>" not in section


def test_a_bench_of_other_cores_leaves_the_advice_out(written):
    content = written[0]
    if content["native"].get("costs"):
        del content["native"]["costs"]["boards"][npu_section.CORE]
        assert npu_section.beside(content) is None


def test_a_native_engine_without_accuracy_is_said_to_be_unmeasured(tau1_build, tmp_path):
    found = verification(tau1_build, native={})
    content = contents.merge(tau1_build, write_json(tmp_path / "recorded.json", found))
    page = html.page(content)
    assert mismatches(page, json.loads(json.dumps(content))) == []
    assert page.count(accuracy_plots.NOT_MEASURED) >= 6
    marked = re.search(r'<p class="big"><data value="[^"]*" data-key="(/accuracy[^"]*)"', page)[1]
    assert marked == "/accuracy/device_backends/tflm/top1"


def test_recorded_rows_stand_beside_those_of_the_build(tau1_build, tmp_path):
    content = json.loads(json.dumps(contents.merge(tau1_build, tmp_path / "absent.verify.json")))
    row = {
        "name": "another `graph`",
        "recorded": True,
        "versions": "TFLM of old",
        "date": "2031-05-07",
        "build": "tiny",
        "flags": "-Oz alone",
        "instructions": {"cortex-m4": 91_600_000},
        "ram_bytes": 81_234,
        "flash_bytes": None,
        "code_bytes": 70_001,
        "model_bytes": None,
        "top1": None,
        "top1_text": "91 to 92 %",
    }
    here = row | {
        "name": "here",
        "recorded": False,
        "instructions": {},
        "code_bytes": None,
        "model_bytes": 79_000,
        "top1": 0.9437,
        "top1_text": None,
    }
    content["comparison"] = [here, row]
    page = html.page(content)
    assert mismatches(page, content) == [] and Reader(page).loose == []
    section = page.partition("Beside TFLM")[2].partition("</section>")[0]
    for text in (
        "another graph",
        "on 2031-05-07 with TFLM of old",
        "tiny build: -Oz alone",
        "91.60\N{NO-BREAK SPACE}M",
        "81,234",
        "91 to 92 %",
        "94.37\N{NO-BREAK SPACE}%",
    ):
        assert text in section
    assert 'data-key="/comparison/0/instructions' not in page


def test_flash_is_shown_in_as_many_parts_as_the_bench_tells(tau1_build, tmp_path):
    content = json.loads(json.dumps(contents.merge(tau1_build, tmp_path / "absent.verify.json")))
    row = bench(tau1_build)["boards"]["cortex-m4"] | {"engine_flash_bytes": 100, "engine_code_bytes": 40}
    for more, expected in (
        ({}, {"code", "constants"}),
        ({"engine_weights_bytes": 50, "engine_tables_bytes": 10}, {"code", "weights", "tables"}),
    ):
        costs = {
            "clip": "a clip",
            "compiler": "a compiler",
            "emulator": None,
            "boards": {"cortex-m4": contents.core_costs(row | more)},
        }
        content["native"]["costs"] = costs
        page = html.page(content)
        assert mismatches(page, content) == []
        plot = re.search(r'aria-labelledby="flash-t.*?</svg>', page, re.S)[0]
        assert set(re.findall(r"/engine_(\w+)_bytes", plot)) == expected | {"flash"}


def test_classes_without_clips_are_left_out(tau1_build, tmp_path):
    found = verification(tau1_build)
    for group in ("backends", "device_backends"):
        for row in found[group].values():
            row["recall"] = row["recall"] | {"yes": None}
    content = contents.merge(tau1_build, write_json(tmp_path / "recorded.json", found))
    assert mismatches(html.page(content), json.loads(json.dumps(content))) == []


def test_state_by_part_is_the_size_of_the_c_struct(tau1_build, tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source = tmp_path / "size.c"
    source.write_text(
        '#include <stdio.h>\n#include "kws_engine.h"\n'
        'int main(void) { printf("%d", (int)KWS_ENGINE_STATE_BYTES); return 0; }\n'
    )
    subprocess.run([compiler, f"-I{tau1_build / 'firmware' / 'native'}", source, "-o", tmp_path / "size"], check=True)
    size = int(subprocess.run([tmp_path / "size"], capture_output=True, check=True).stdout)
    state = memory.state_parts(network.load(tau1_build / build_folder.NATIVE))
    assert state["bytes"] == sum(state["parts"].values()) == size
    assert sum(block["bytes"] for block in state["blocks"]) == state["parts"]["inputs"] + state["parts"]["means"]


def test_live_tensors_fit_the_measured_arena(tau1_build):
    conversion = build_folder.load(tau1_build)
    graph = conversion["graphs"][conversion["graph"]]
    rows = memory.live_tensors((tau1_build / build_folder.MODEL).read_bytes())
    assert {row["op"] for row in rows} == set(graph["ops"]) and len(rows) == sum(graph["ops"].values())
    assert 40 * 101 < max(row["bytes"] for row in rows) < graph["arena_bytes"]
    assert rows[-1]["bytes"] < 200  # the last op makes twelve logits


@COMPLETE
def test_the_page_shows_the_latest_bench(build, monkeypatch):
    row = json.loads((build / build_folder.BENCH).read_text())["boards"]["cortex-m4"] | {
        "network_window": 5_432_109,
        "frontend_hop_mean": 1.0,
    }
    monkeypatch.delenv("GSC_ROOT", raising=False)
    monkeypatch.setattr(run_bench, "CORES", {"cortex-m4": run_bench.CORES["cortex-m4"]})
    monkeypatch.setattr(run_bench, "measure", lambda *arguments: row)
    monkeypatch.setattr(run_bench, "version", lambda program: f"{program} of today")
    monkeypatch.setattr(run_bench.emulator, "plugin", lambda: None)
    assert run_bench.main(["--build", str(build)]) == 0
    contents.write(build)
    page = (build / build_folder.REPORT_HTML).read_text()
    assert 'data-key="/native/costs/boards/cortex-m4/network_window">5,432,109<' in page and "of today" in page
    assert mismatches(page, json.loads((build / build_folder.REPORT_JSON).read_text())) == []


def figure(value: float, text: str = "") -> Figure:
    return Figure("/a", value, text or f"{value:g}")


def numbers(svg: str, tag: str, name: str) -> list[float]:
    """An attribute of all elements of a kind that have it in percent."""
    return [float(value) for value in re.findall(rf'<{tag} [^>]*\b{name}="([-\d.]+)%"', svg)]


def test_a_whisker_goes_from_low_to_high_with_its_dot_between():
    rows = [Whisker("a", figure(0.5), figure(0.2), figure(0.6)), Whisker("b", note="not yet")]
    svg = plots.whiskers("n", "t", "d", rows, 100, " %")
    (dot,) = numbers(svg, "circle", "cx")
    start, end = numbers(svg, 'line class="whisker"', "x1")[0], numbers(svg, 'line class="whisker"', "x2")[0]
    assert start < dot < end and (dot - start) / (end - start) == pytest.approx(0.75, abs=1e-3)
    assert svg.count("<circle") == 1 and "not yet" in svg


def test_segments_are_as_long_as_their_values():
    stack = Stack("a", (("c0", "x", figure(30)), ("c1", "nothing", figure(0)), ("c2", "y", figure(10))), figure(40))
    widths = numbers(plots.stacks("n", "t", "d", [stack], 80, 20, 0), "rect", "width")
    assert widths == [30, 10]
    assert numbers(plots.stacks("n", "t", "d", [stack], None, 20, 0), "rect", "width") == [60, 20]


def test_a_loss_goes_to_the_right_of_zero_and_a_gain_to_the_left():
    svg = plots.differences("n", "t", "d", [("a", figure(2.0)), ("b", figure(-1.0))], 20)
    (loss, gain), (wide, narrow) = numbers(svg, "rect", "x"), numbers(svg, "rect", "width")
    assert 'class="bad"' in svg and loss == pytest.approx(gain + narrow, abs=0.02)
    assert wide == pytest.approx(2 * narrow, abs=0.02)


def test_plots_escape_their_names():
    stack = Stack("<a&b>", (("c0", '"x"', figure(1)),), None)
    root = ElementTree.fromstring(plots.stacks("n", "<t>", "&", [stack], 1, 0, 0))
    assert root[0].text == "<t>" and "<a&b>" in "".join(root.itertext())


@pytest.mark.parametrize("low, high", [(0, 1), (93.4, 95.3), (-0.2, 0.4), (-15.7, 8), (0, 4_431_521)])
def test_ticks_are_few_round_and_within(low, high):
    ticks = plots.round_ticks(low, high)
    assert 2 <= len(ticks) <= 5 and low <= ticks[0] and ticks[-1] <= high
    assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


WIDE = """[...document.body.querySelectorAll("*")].filter((element) =>
  element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((element) => element.outerHTML.slice(0, 80))"""
"""What is wider than the window."""


@pytest.fixture
def page(written, build) -> Path:
    return build / build_folder.REPORT_HTML


@pytest.fixture
def opened(chromium, page) -> Iterator[Browser]:
    """The browser with the page, which must have nothing to complain about by the end of the test."""
    chromium.problems = []
    chromium.shape(1280, 900)
    chromium.open(page.as_uri())
    yield chromium
    assert chromium.problems == []


@pytest.mark.parametrize("build", ["complete", "nothing measured"], indirect=True)
@pytest.mark.parametrize("width", [320, 500, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.shape(width, 900)
    assert opened.evaluate("innerWidth") == width and opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate(WIDE) == []


def test_something_wider_than_the_window_would_be_seen(chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text('<meta name="viewport" content="width=device-width"><p style="width: 400px">wide</p>')
    chromium.shape(320, 900)
    chromium.open(path.as_uri())
    assert chromium.evaluate("document.documentElement.scrollWidth") > 320 and "wide" in chromium.evaluate(WIDE)[0]


@COMPLETE
def test_the_browser_shows_every_figure(opened, written):
    shown = opened.evaluate("document.documentElement.outerHTML")
    assert Reader(shown).figures == Reader(written[1]).figures
    assert mismatches(shown, written[0]) == []


def test_a_message_on_the_console_would_be_seen(chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<script>console.error('broken')</script>")
    chromium.problems = []
    chromium.open(path.as_uri())
    assert chromium.problems == ["error: broken"]


@COMPLETE
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_is_light_or_dark_as_preferred(opened, width):
    brightness = {}
    for scheme in ("dark", "light"):
        opened.shape(width, 900, scheme)
        pixels = np.asarray(Image.open(io.BytesIO(opened.picture())).convert("RGB"))
        assert pixels.shape[1] == width
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
        brightness[scheme] = float(np.median(pixels))
    assert brightness["dark"] < 60 and brightness["light"] > 200


@pytest.mark.parametrize("build", ["complete", "nothing measured"], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(opened, scheme):
    axe.put_into(opened)
    opened.shape(1280, 900, scheme)
    found = axe.check(opened)
    assert found["violations"] == [] and found["undecided"] == [] and "color-contrast" in found["passed"]
