"""The page on a phone, in dark and light, by keyboard and by screen reader."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from common.shipped import ROOT
from demo import picture

NAMED = {
    "button",
    "tab",
    "tabpanel",
    "checkbox",
    "radio",
    "slider",
    "textbox",
    "spinbutton",
    "combobox",
    "image",
    "meter",
    "log",
    "progressbar",
    "list",
}
"""Roles that need a name."""
MOST_BYTES_OF_A_PICTURE = 100_000
LEAST_CONTRAST, LEAST_CONTRAST_OF_EDGES = 4.5, 3.0
"""Web Content Accessibility Guidelines 2.2, 1.4.3 and 1.4.11."""
TABS = ("listen", "record")
SHOW_ALL = """kws.ready.then(({ recorder }) => {
  document.querySelectorAll("details").forEach((details) => (details.open = true));
  say("problem", "what went wrong");
  say("record-problem", "what went wrong");
  say("count", "3");
  const take = judge(new Int16Array(32000), recorder.kws);
  recorder.takes.set("yes", [take, { ...take, good: true }]);
  word.value = "yes";
  recorder.list();
})"""
CONTRAST = """((least) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colour, under) => {
    canvas.fillStyle = `rgb(${under})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const light = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const behind = (element) =>
    element ? rgb(getComputedStyle(element).backgroundColor, behind(element.parentElement)) : [255, 255, 255];
  const ratio = (one, other) => {
    const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const wrong = [];
  let seen = 0;
  for (const element of document.body.querySelectorAll("*")) {
    const texts = [...element.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim());
    const shows = texts.length || element.matches("[type=text], [type=number], select");
    if (!shows || !element.checkVisibility() || element.disabled) {
      continue;
    }
    seen += 1;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const found = ratio(rgb(style.color, ground), ground);
    if (found < least) {
      wrong.push(`${element.tagName} ${element.id} ${element.textContent.slice(0, 30)}: ${found.toFixed(2)}`);
    }
  }
  return { seen, wrong };
})"""
EDGES = """((least) => [...document.querySelectorAll("button, .button, input[type=text], input[type=number], select")]
  .filter((element) => element.checkVisibility() && !element.disabled && element.role !== "tab")
  .filter((element) => {
    const parts = (text) => text.match(/[0-9.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    const luminance = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
    const edge = luminance(parts(getComputedStyle(element).borderTopColor));
    const ground = luminance(parts(getComputedStyle(element.closest(".card") || document.body).backgroundColor));
    return (Math.max(edge, ground) + 0.05) / (Math.min(edge, ground) + 0.05) < least;
  }).map((element) => element.id || element.textContent))"""
WIDE = """[...document.body.querySelectorAll("*")].filter((element) => element.checkVisibility() &&
  element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 80))"""


def show(browser, tab: str) -> None:
    browser.evaluate(f"document.getElementById('{tab}-tab').click()")


@pytest.mark.parametrize("tab", TABS)
def test_everything_that_can_be_used_or_read_has_a_name(opened, tab):
    opened.evaluate(SHOW_ALL)
    opened.choose_files("#file", [ROOT / "examples" / "yes.wav"])
    opened.wait_for("kws.ready.then(({ listener: { file } }) => file?.result)")
    show(opened, tab)
    opened.call("Accessibility.enable")
    nodes = opened.call("Accessibility.getFullAXTree")["nodes"]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    found = {role for role, _ in roles}
    expected = {
        "listen": {"button", "tab", "tabpanel", "checkbox", "radio", "slider", "image", "meter", "log"},
        "record": {"button", "tab", "tabpanel", "textbox", "spinbutton", "combobox", "progressbar", "list", "image"},
    }[tab]
    assert expected <= found
    assert [role for role, name in roles if role in NAMED and not name.strip()] == []
    ids = opened.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))
    assert ("main", "") in roles and "heading" in found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_text_and_edges_stand_out_from_what_is_behind_them(opened, tab, scheme):
    opened.shape(1100, 900, scheme)
    opened.evaluate(SHOW_ALL)
    show(opened, tab)
    found = opened.evaluate(f"{CONTRAST}({LEAST_CONTRAST})")
    assert found["seen"] > 15 and found["wrong"] == []
    assert opened.evaluate(f"{EDGES}({LEAST_CONTRAST_OF_EDGES})") == []
    assert opened.evaluate(f"{CONTRAST}(30)")["wrong"] != [], "the check sees nothing"


def test_the_page_is_dark_or_light_as_preferred(opened):
    ground = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)"
    opened.shape(1100, 900, "dark")
    assert max(opened.evaluate(ground)) < 60
    opened.shape(1100, 900, "light")
    assert min(opened.evaluate(ground)) > 200


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_a_phone(opened, tab, width):
    opened.shape(width, 800)
    opened.evaluate(SHOW_ALL)
    show(opened, tab)
    assert opened.evaluate("innerWidth") == width and opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate(WIDE) == []
    small = "[...document.querySelectorAll('button, .button, select')].filter((one) => one.checkVisibility()"
    assert opened.evaluate(f"{small} && one.getBoundingClientRect().height < 24).length") == 0


def test_every_control_is_reached_by_the_tabulator_and_shows_its_focus(opened):
    opened.evaluate(SHOW_ALL)
    reached: list[str] = []
    for _ in range(60):
        opened.key("Tab")
        name, outline = opened.evaluate(
            """(({ activeElement: at }) => [at.id || at.getAttribute("aria-label") || at.value || at.tagName,
                getComputedStyle(at.closest(".button") || at).outlineStyle])(document)"""
        )
        if name == "BODY" or name in reached:
            break
        reached.append(name)
        assert outline != "none", name
    assert reached[:4] == ["listen-tab", "start", "file", "gain"]
    assert {"words", "medium", "yes: least probability", "yes: hops"} <= {*reached}


def test_tabs_are_changed_with_the_arrow_keys_and_a_switch_with_the_space_bar(opened):
    opened.evaluate("document.getElementById('listen-tab').focus()")
    opened.key("ArrowRight")
    selected = "document.querySelector('[role=tab][aria-selected=true]').id + ' ' + document.activeElement.id"
    assert opened.evaluate(selected) == "record-tab record-tab"
    assert opened.evaluate("[document.getElementById('listen').hidden, document.getElementById('record').hidden]") == [
        True,
        False,
    ]
    opened.key("ArrowRight")
    assert opened.evaluate(selected) == "listen-tab listen-tab"
    opened.evaluate("document.getElementById('gain').focus()")
    opened.key(" ")
    assert opened.evaluate("document.getElementById('gain').checked")


def test_pictures_stand_still_longer_where_little_motion_is_wanted(opened):
    opened.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    opened.evaluate("document.getElementById('start').click()")
    opened.wait_for("kws.ready.then(({ listener }) => listener.history.total > 50)")
    drawn = """kws.ready.then(({ listener }) => new Promise((done) => {
      let count = 0;
      const draw = listener.pictures.draw;
      listener.pictures.draw = function (...all) { count += 1; draw.apply(this, all); };
      setTimeout(() => done(count), 2000);
    }))"""
    assert 1 <= opened.evaluate(drawn) <= 5
    opened.evaluate("document.getElementById('start').click()")


def test_no_other_build_takes_the_documentation_s_place(tmp_path, failure):
    before = picture.OUT.read_bytes()
    (tmp_path / "demo.html").write_text("another")
    assert "name a file with --out" in failure(picture.main, "--build", tmp_path)
    assert "name a file with --out" in failure(picture.main, "--tau", "3")
    assert picture.OUT.read_bytes() == before


def test_the_picture_of_the_documentation_can_be_taken_again(chromium, page, tmp_path):
    taken = Image.open(io.BytesIO(picture.taken(page)))
    kept = Image.open(picture.OUT)
    assert taken.size == kept.size == (picture.WIDTH, picture.HEIGHT)
    assert picture.OUT.stat().st_size < MOST_BYTES_OF_A_PICTURE
    assert len(taken.convert("RGB").getcolors(1 << 24)) > 50
