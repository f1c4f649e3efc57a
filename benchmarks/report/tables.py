"""The tables of README.md and docs/ that show recorded accuracy and cost, as Markdown."""

from __future__ import annotations

import re

from benchmarks.accuracy import family
from benchmarks.cost import baseline, budget, needs
from benchmarks.cost.emulator import CORES
from benchmarks.report import comparison
from common.description import TAUS
from common.errors import UserError
from common.intervals import missed, per_hour
from common.labels import is_word
from common.reading import read_json
from common.shipped import checkpoint_path, detector_path, recorded_path
from detector import render as detector, settings
from detector.settings import SENSITIVITIES

RELEASE = "release"
"""The build of TFLM in the tables."""
NAMES = {core: core.replace("cortex-m", "Cortex-M") for core in CORES}
COST_ROWS = {
    "features, a hop of 10 ms, instructions": "frontend_hop",
    "network, a hop of 10 ms, instructions": "network_hop",
    "network, a window of one second, instructions": "network_window",
    "engine: state, bytes": "engine_state_bytes",
    "engine: ring of a stream's logits, bytes": "stream_state_bytes",
    "engine: stack, bytes": "stack_bytes",
    "engine: flash (code, weights, tables), bytes": "engine_flash_bytes",
    "detector, a hop of 10 ms, instructions": "detector_hop",
    "detector: state, bytes": "detector_state_bytes",
    "detector: stack, bytes": "detector_stack_bytes",
    "detector: flash, bytes": "detector_flash_bytes",
    "features: state, bytes": "frontend_state_bytes",
    "features: stack, bytes": "frontend_stack_bytes",
    "features: flash, bytes": "frontend_flash_bytes",
}
LISTENING_SNR = 10.0
"""Of the words in the table of listening, dB; others are in the recorded files."""
TYPICAL_LOAD = 0.7
"""Fraction of the clock for keyword spotting at the lowest clocks, the default of `make budget`."""


def markdown(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A table; the first `left` columns are aligned to the left, the others to the right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def boards(tau: float) -> dict[str, dict]:
    """The recorded costs of a width by core: features, network and detector."""
    agreed = baseline.load()
    return {
        core: agreed["frontend"][core] | agreed["detector"][core] | row
        for core, row in agreed["taus"][f"{tau:g}"]["boards"].items()
    }


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
    """The recorded row of TFLM's release build whose name contains `name`."""
    (row,) = (row for row in comparison.recorded() if name in row["name"] and row["build"] == RELEASE)
    return row


def results() -> str:
    """Tau 1 as native engine and on TFLM, beside MLPerf Tiny's network."""
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
    """The needs of each width in a stream: RAM, flash and the lowest clock of each kind of core."""
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
    return markdown(["tau", "right in a stream, %", "RAM", "flash", *kinds], rows)


def verified() -> str:
    """Accuracy of every backend of tau 1."""
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
    """Accuracy on validation and on test clips, by width."""
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
            raise UserError(f"{card}: has no test recall of _unknown_; restore it from the repository")
        value, low, high, count = found.groups()
        rows.append([f"{tau:g}", f"{value} [{low}, {high}]", count])
    return markdown(["tau", "unknown words of the test rejected, float, %", "clips"], rows)


def costs() -> str:
    """The cost of tau 1 on every emulated core."""
    found = boards(1)
    return markdown(
        ["", *(NAMES[core] for core in found)],
        [[name, *(f"{row[key]:,}" for row in found.values())] for name, key in COST_ROWS.items()],
    )


def costs_by_width() -> str:
    """The cost of every width on Cortex-M4 and M55."""
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
    """The recorded cost of TFLM with CMSIS-NN."""
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


def listening() -> str:
    """What each sensitivity of the shipped networks misses and falsely accepts, with 95 % intervals, as `make listen-test`
    recorded it."""
    rows: list[list[str]] = []
    head: list[str] = []
    for tau in shipped():
        made = settings.load(detector_path(tau))
        if made.measured is None:
            continue
        for name in SENSITIVITIES:
            found = made.measured["presets"][name]
            spoken = [row for row in found["keywords"] if row["snr_db"] in (None, LISTENING_SNR)]
            pairs = found["twice"]
            head = [
                *(f"missed, {row['background']}{detector.level(row['snr_db'])}, %" for row in spoken),
                f"said twice, both, {pairs['gap_ms']} ms, %",
                *(f"per hour, {row['kind']}" for row in found["false_accepts"]),
            ]
            rows.append(
                [
                    f"{tau:g}",
                    name,
                    *(missed(row["said"], row["hit"]) for row in spoken),
                    f"{100 * pairs['both'] / pairs['pairs']:.1f}",
                    *(per_hour(row["reports"], row["hours"]) for row in found["false_accepts"]),
                ]
            )
    return markdown(["tau", "sensitivity", *head], rows, 2)


def thresholds() -> str:
    """The shipped thresholds, by width and word: the least probability of 255, and the hops."""
    loaded = {tau: settings.load(detector_path(tau)) for tau in shipped()}
    words = [label for label in next(iter(loaded.values())).labels if is_word(label)]
    rows = []
    for tau, made in loaded.items():
        for name in SENSITIVITIES:
            cells = [made.presets[name][made.labels.index(word)] for word in words]
            rows.append([f"{tau:g}", name, *(f"{cell.probability}, {cell.hops}" for cell in cells)])
    return markdown(["tau", "sensitivity", *words], rows, 2)
