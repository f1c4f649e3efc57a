"""Rewrite the tables and sample outputs of README.md and docs/ from the recorded files they are taken from.

    python -m benchmarks.figures            # names the blocks that are out of date; exit status 1 where there are any
    python -m benchmarks.figures --write    # rewrites them

A block stands between `<!-- figures: NAME -->` and `<!-- end -->`. Sources: checkpoints/ (*.verify.json, false_accepts.json
and the cards), baseline.json, recorded_tflm.json, recorded_peers.json, and, for the sample outputs alone, the build of
tau 1: as converted, without its own verification and bench.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.accuracy import family
from benchmarks.cost import baseline, budget, needs, on_board
from benchmarks.cost.emulator import CORES
from benchmarks.listening import continuous, decisions, recorded
from benchmarks.report import comparison, contents, peers_table, text as report_text
from common import build_folder
from common.atomic import write_text
from common.audio import read_wav
from common.description import TAUS
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import poisson
from common.reading import read_json, sha256
from common.shipped import EXAMPLES, ROOT, checkpoint_path, recorded_path

BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.S)
PAGES = ("README.md", "docs/**/*.md")
BUDGET = ("--ram", "20k", "--flash", "64k", "--clock", "80MHz")
"""The chip of the sample output of `make budget`."""
RELEASE = "release"
"""The build of TFLM that the results are compared with."""
NAMES = {core: core.replace("cortex-m", "Cortex-M") for core in CORES}
COST_ROWS = {
    "features, a hop of 10 ms, instructions": "frontend_hop",
    "network, a hop of 10 ms, instructions": "network_hop",
    "network, a window of one second, instructions": "network_window",
    "engine: state, bytes": "engine_state_bytes",
    "engine: ring of a stream's logits, bytes": "stream_state_bytes",
    "engine: stack, bytes": "stack_bytes",
    "engine: flash (code, weights, tables), bytes": "engine_flash_bytes",
    "features: state, bytes": "frontend_state_bytes",
    "features: stack, bytes": "frontend_stack_bytes",
    "features: flash, bytes": "frontend_flash_bytes",
}
TYPICAL_LOAD = 0.7
"""Share of the clock that the lowest clocks leave to keyword spotting, as `make budget` assumes."""


def markdown(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A table; the first `left` columns are aligned to the left, the others to the right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def boards(tau: float) -> dict[str, dict]:
    """The recorded costs of a width, features and network together, by core."""
    agreed = baseline.load()
    return {core: agreed["frontend"][core] | row for core, row in agreed["taus"][f"{tau:g}"]["boards"].items()}


def shipped() -> list[float]:
    """The widths that have a checkpoint."""
    return [tau for tau in TAUS if checkpoint_path(tau).is_file()]


def verification(tau: float, graph: str = family.GRAPH) -> dict:
    """The recorded verification of a width and graph."""
    path = recorded_path(tau, graph)
    figures = read_json(path, "restore it from the repository")
    if figures is None:
        raise UserError(f"{path}: missing; restore it from the repository")
    return figures


def tflm(name: str) -> dict:
    """The recorded row of TFLM's release build whose name has this in it."""
    (row,) = (row for row in comparison.recorded() if name in row["name"] and row["build"] == RELEASE)
    return row


def results() -> str:
    """Tau 1 on both ways onto the chip, beside MLPerf Tiny's network."""
    costs, figures = boards(1), {graph: verification(1, graph) for graph in ("accurate", "small")}
    accurate, small, ds_cnn = map(tflm, ("BC-ResNet-1, graph `accurate`", "BC-ResNet-1, graph `small`", "DS-CNN"))
    native = figures["accurate"]["device_backends"]["native"]
    models = [figures[graph]["device_backends"]["tflm"] for graph in figures]
    m4 = costs["cortex-m4"]

    def flash(row: dict) -> str:
        return f"{row['flash_bytes']:,}" if row["flash_bytes"] else f"{row['code_bytes']:,} + model"

    rows = [
        ["top-1, %", *(family.top1(row) for row in (native, *models)), ds_cnn["top1_text"].removesuffix(" %")],
        ["lost against float, points", *(family.lost(row) for row in (native, *models)), ""],
        ["RAM, bytes", f"{m4['engine_state_bytes']:,}", *(f"{row['ram_bytes']:,}" for row in (accurate, small)), ""],
        ["flash on Cortex-M4, bytes", f"{m4['engine_flash_bytes']:,}", *map(flash, (accurate, small, ds_cnn))],
        *(
            [
                f"instructions of a one-second window, {NAMES[core]}",
                comparison.millions_of(costs[core]["network_window"]),
                *(comparison.millions_of(row["instructions"][core]) for row in (accurate, small, ds_cnn)),
            ]
            for core in comparison.CORES
        ),
    ]
    for row in rows:
        row[1] = f"**{row[1]}**"
    return markdown(
        ["", "**native engine**", "TFLM, graph `accurate`", "TFLM, graph `small`", "MLPerf Tiny DS-CNN, TFLM"], rows
    )


def widths() -> str:
    """What each width needs in a stream: RAM, flash and the lowest clock of each kind of core."""
    kinds = {
        "Cortex-M0": ("cortex-m0",),
        "M3": ("cortex-m3",),
        "M4, M7, M33": ("cortex-m4", "cortex-m7", "cortex-m33"),
        "M55": ("cortex-m55",),
    }
    rows = []
    for tau in TAUS:
        costs = {core: needs.need(row, None) for core, row in boards(tau).items()}
        cycles = {core: need.instructions * float(budget.CPI) / TYPICAL_LOAD for core, need in costs.items()}
        trained = tau in shipped()
        stream = family.top1(verification(tau)["device_backends"]["native_stream"]) if trained else "not trained"
        rows.append(
            [
                f"{tau:g}",
                stream,
                *(f"{max(getattr(need, key) for need in costs.values()) / 1024:.1f} KB" for key in ("ram_bytes", "flash")),
                *(f"{max(cycles[core] for core in cores) / 1e6:.0f} MHz" for cores in kinds.values()),
            ]
        )
    return markdown(["tau", "top-1 in a stream, %", "RAM", "flash", *kinds], rows)


def verified() -> str:
    """Everything that was verified of tau 1."""
    figures = {graph: verification(1, graph) for graph in ("accurate", "small")}
    device = figures["accurate"]["device_backends"]
    rows = {
        "float, PyTorch": figures["accurate"]["backends"]["pytorch"],
        "float, on the device's features": device["pytorch"],
        "**native engine**": device["native"],
        "TFLM, graph `accurate`": device["tflm"],
        "TFLM, graph `small`": figures["small"]["device_backends"]["tflm"],
        "native engine, a window in noise": device["native_in_noise"],
        "native engine, in a stream": device["native_stream"],
    }
    return markdown(
        ["", "top-1, %", "lost, points", "answers as in float, %", "SQNR of the logits, dB"],
        [
            [
                name,
                family.top1(row),
                family.lost(row) if "drop_points" in row else "",
                f"{100 * row['agreement']:.2f}" if "agreement" in row else "",
                f"{row['sqnr_db']:.1f}" if "sqnr_db" in row else "",
            ]
            for name, row in rows.items()
        ],
    )


def parts() -> str:
    """Validation and test clips apart, by width."""
    rows = []
    for tau in shipped():
        for name, part in verification(tau)["parts"].items():
            rows.append(
                [
                    f"{tau:g}",
                    name.split(" (")[0],
                    f"{part['clips']:,}",
                    f"{100 * part['top1']['pytorch']:.2f}",
                    *(f"{100 * part['device_top1'][backend]:.2f}" for backend in ("native", "tflm", "native_stream")),
                ]
            )
    return markdown(["tau", "clips of", "clips", "float, %", "native, %", "TFLM, %", "native in a stream, %"], rows, 2)


def other_words() -> str:
    """The recall of unknown words on the test clips, from the checkpoints' cards."""
    rows = []
    for tau in shipped():
        card = checkpoint_path(tau).with_suffix(".md")
        found = re.search(
            r"^\| test recall _unknown_ \| ([\d.]+) % \(95 % interval ([\d.]+) to ([\d.]+), (\d+) clips\) \|$",
            card.read_text(),
            re.M,
        )
        if not found:
            raise UserError(f"{card}: tells no test recall of _unknown_; restore it from the repository")
        value, low, high, count = found.groups()
        rows.append([f"{tau:g}", f"{value} [{low}, {high}]", count])
    return markdown(["tau", "unknown words of the test rejected, float, %", "clips"], rows)


def costs() -> str:
    """Tau 1 on every emulated core."""
    found = boards(1)
    return markdown(
        ["", *(NAMES[core] for core in found)],
        [[name, *(f"{row[key]:,}" for row in found.values())] for name, key in COST_ROWS.items()],
    )


def costs_by_width() -> str:
    """Every width on Cortex-M4 and M55."""
    rows = []
    for tau in TAUS:
        found = boards(tau)
        rows.append(
            [
                f"{tau:g}",
                f"{found['cortex-m4']['engine_state_bytes']:,}",
                *(
                    f"{found[core][key]:,}"
                    for core in comparison.CORES
                    for key in ("engine_flash_bytes", "network_window", "network_hop")
                ),
            ]
        )
    titles = ("flash, bytes", "window", "hop")
    return markdown(
        ["tau", "state, bytes", *(f"{NAMES[core]}: {title}" for core in comparison.CORES for title in titles)], rows
    )


def recorded_tflm() -> str:
    """What TFLM with CMSIS-NN was recorded to cost."""
    rows = comparison.recorded()
    return markdown(
        [
            "model and build of TFLM",
            *(f"instructions, {NAMES[core]}" for core in comparison.CORES),
            "arena used, bytes",
            "flash, bytes",
        ],
        [
            [
                row["name"],
                *(f"{row['instructions'][core]:,}" if core in row["instructions"] else "" for core in comparison.CORES),
                f"{row['ram_bytes']:,}" if row["ram_bytes"] else "",
                comparison.flash(row),
            ]
            for row in rows
        ],
    )


def false_accepts() -> str:
    """Reports an hour of the shipped networks over recordings in which no keyword is said, by the rule's hops."""
    rows = []
    for row in recorded.load():
        if row["checkpoint"] != sha256(checkpoint_path(row["tau"])):
            raise UserError(
                f"{recorded.PATH}: tau {row['tau']:g} is of another checkpoint; record it anew "
                f"with `make false-accepts TAU={row['tau']:g} RECORD='{row['name']}'`"
            )
        if row["protocol"] != continuous.PROTOCOL:
            raise UserError(
                f"{recorded.PATH}: tau {row['tau']:g} is of another protocol; record it anew with "
                f"`make false-accepts TAU={row['tau']:g} RECORD='{row['name']}'`"
            )
        rates = []
        for rule in (rule for rule in decisions.RULES if rule.probability == decisions.EXAMPLE.probability):
            count = row["reports"][str(rule)]
            low, high = (bound / row["hours"] for bound in poisson(count))
            text = f"{count / row['hours']:.1f} [{low:.1f}, {high:.1f}]"
            rates.append(f"**{text}**" if rule == decisions.EXAMPLE else text)
        rows.append([f"{row['tau']:g}", row["name"], f"{row['hours']:.2f}", *rates, row["measured"]])
    hops = [f"{rule.hops} hops" for rule in decisions.RULES if rule.probability == decisions.EXAMPLE.probability]
    hops[0] = f"an hour, {decisions.EXAMPLE.probability} of 255 at {hops[0]}"
    return markdown(["tau", "recordings", "hours", *hops, "recorded"], rows, 2)


def peers_beside() -> str:
    """Reports an hour of others' wake words, beside tau 1 on the same recordings."""
    head, rows, sentences = peers_table.table()
    return "\n\n".join([markdown(head, rows, 3), textwrap.fill(" ".join(sentences), 120)])


def budget_output() -> str:
    """`make budget`, as it says it where nothing was built."""
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(out):
        budget.main(list(BUDGET))
    return f"```text\n{out.getvalue()}```"


def dates() -> str:
    """When the tables were recorded, in a sentence."""
    accuracy = sorted({verification(tau)["measured"] for tau in shipped()} | {verification(1, "small")["measured"]})
    agreed, then = baseline.load(), comparison.recorded()[0]
    compiler = re.match(r"(\S+) .*?([\d.]+) \d+$", agreed["compiler"])
    if not compiler:
        raise UserError(f"{baseline.PATH}: names no version of its compiler; {baseline.REMEDY}")
    name, version = compiler.groups()
    return textwrap.fill(
        f"Recorded: accuracy {' and '.join(accuracy)} (`make verify SPLIT=all`), costs {agreed['recorded']} (`make "
        f"bench-baseline`, {name} {version}), TFLM {then['date']} ({then['versions']}; cannot be built here).",
        120,
    )


def quantize_output(build: Path) -> str:
    """The end of `make quantize TAU=1`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tau1"
        shutil.copytree(build, copy, ignore=shutil.ignore_patterns("verify*.json", build_folder.BENCH))
        return f"```text\n{report_text.short(contents.merge(copy), build_folder.default_build(1))}\n```"


def board_output(build: Path, program: str, samples: np.ndarray) -> str:
    """What a program of examples/baremetal prints on an emulated Cortex-M4, as `make run` and `make selftest` show it."""
    with tempfile.TemporaryDirectory() as folder:
        image = on_board.build_program(CORES["cortex-m4"], program, build / "firmware", Path(folder) / "program.elf")
        return f"```text\n{on_board.run_program(image, samples)[1]}```"


RECORDED: dict[str, Callable[[], str]] = {
    "results": results,
    "widths": widths,
    "family": family.table,
    "verified": verified,
    "parts": parts,
    "other-words": other_words,
    "costs": costs,
    "costs-by-width": costs_by_width,
    "tflm": recorded_tflm,
    "false-accepts": false_accepts,
    "peers": peers_beside,
    "budget": budget_output,
    "dates": dates,
}
BUILT: dict[str, Callable[[Path], str]] = {
    "quantize": quantize_output,
    "run": lambda build: board_output(build, on_board.LISTEN, read_wav(EXAMPLES / "yes.wav")),
    "selftest": lambda build: board_output(build, on_board.SELFTEST, np.empty(0, np.int16)),
}


def pages() -> list[Path]:
    """README and the pages of docs/."""
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


def rewritten(text: str, page: Path, build: Path | None) -> str:
    """A page with its blocks as the sources have them now. build: of tau 1; None leaves its sample outputs alone."""

    def block(match: re.Match) -> str:
        head, name, _, end = match.groups()
        if name in BUILT:
            return match[0] if build is None else f"{head}{BUILT[name](build)}\n{end}"
        if name not in RECORDED:
            raise UserError(f"{page}: no such figures: {name}; choose one of {', '.join([*RECORDED, *BUILT])}")
        return f"{head}{RECORDED[name]()}\n{end}"

    return BLOCK.sub(block, text)


def out_of_date(build: Path | None) -> dict[Path, str]:
    """The pages that are not as the sources have them, and what they should be."""
    return {page: new for page in pages() if (new := rewritten(old := page.read_text(), page, build)) != old}


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    parser = OptionParser("python -m benchmarks.figures", __doc__)
    parser.add_argument("--write", action="store_true", help="rewrite the blocks in place of naming the pages")
    args = parser.parse_args(argv)
    build = build_folder.default_build(1)
    converted = (build / build_folder.MODEL).is_file()
    if not converted:
        print(f"{build}: not converted, its sample outputs are left as they are (make quantize TAU=1)")
    changed = out_of_date(build if converted else None)
    for page, text in changed.items():
        if args.write:
            write_text(page, text)
        print(f"{page.relative_to(ROOT)}: {'rewritten' if args.write else 'out of date; run `make docs-figures`'}")
    return 1 if changed and not args.write else 0
