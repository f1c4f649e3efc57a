"""The report as Markdown, and in short for the terminal. Pure functions of the dict of `contents.merge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.cost.quantities import MAIN_CORE
from benchmarks.report import comparison, npu_section
from common.description import FEATURES, KEYWORDS, windowed
from common.labels import is_word
from common.markdown import cell, code

TITLES = {
    "pytorch": "PyTorch, float",
    "onnx": "ONNX Runtime, float",
    "tflite": "TFLite, int8, reference kernels",
    "tflm": "TFLM, int8",
    "native": "native engine, C",
    "native_in_noise": "native engine, whole window in the stream's noise",
    "native_stream": "native engine, in a stream",
}
OTHER_THRESHOLDS = "What the detector reports was measured with other thresholds than this build's, and is left out"
"""Of a field test."""


def span(interval: Sequence[float], factor: float = 1) -> str:
    """`91.1 to 93.3`, each end times `factor`."""
    low, high = (round(factor * end, 2) + 0.0 for end in interval)  # + 0.0: no minus before a zero
    return f"{low:.2f} to {high:.2f}"


def decibels(sqnr: float | None) -> str:
    """`26.3 dB`, or `exact` where all logits are equal."""
    return "exact" if sqnr is None else f"{sqnr:.1f} dB"


def sqnr(row: dict) -> str:
    """SQNR of a backend's logits; empty where it was not compared on the same audio."""
    return decibels(row["sqnr_db"]) if "sqnr_db" in row else ""


def kept(row: dict) -> str:
    """Agreement with float and SQNR of the logits."""
    return f"{100 * row['agreement']:.2f} % of answers as in float, logit SQNR {decibels(row['sqnr_db'])}"


def yes(value: bool) -> str:
    return "yes" if value else "no"


def on_arm(memory: dict) -> str:
    """The arena to expect on a Cortex-M."""
    return f"about {memory['arena_bytes_arm_estimate']:,} on Arm"


def when(accuracy: dict) -> str:
    """Whether the accuracy was measured on this build, or recorded, and how."""
    if accuracy["origin"] == "measured":
        return f"measured {accuracy['measured']} with `{accuracy['command']}`"
    return f"recorded {accuracy['measured']} with `{accuracy['command']}` on this very model, not measured in this build"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def recordings(report: dict) -> str:
    """What to name as DATA= for this network: recordings of its words."""
    own = [label for label in report["labels"] if is_word(label) and label not in KEYWORDS]
    return "<folder of <label>/*.wav>" if own else "<Speech Commands>"


def accuracy_section(report: dict) -> str:
    """The figures of the verification, or the command that measures them."""
    found = report["accuracy"]
    if found is None:
        return (
            f"Not measured yet for this model: `make verify TAU={report['tau']:g} DATA={recordings(report)}` "
            "does it in a few minutes."
        )
    rows = []
    named = [(TITLES[name], row) for name, row in found["backends"].items()]
    named += [
        (TITLES[name] if name.startswith("native") else f"{TITLES[name]}, device features", row)
        for name, row in found["device_backends"].items()
    ]  # native backends take device features only
    for title, row in named:
        cells = [title, f"{100 * row['top1']:.2f} %", span(row["ci95"], 100)]
        if "drop_points" in row:
            cells += [f"{row['drop_points']:.2f}", span(row["drop_ci95"]), f"{100 * row['agreement']:.2f} %", sqnr(row)]
        else:
            cells += [""] * 4
        rows.append(cells)
    int8 = found["device_backends"]["tflite"]
    float_recall, int8_recall = found["backends"]["pytorch"]["recall"], int8["recall"]
    known = [label for label in int8_recall if int8_recall[label] is not None]
    worst = int8["worst"]
    return "\n\n".join(
        [
            f"{found['clips']:,} clips: {found['data']['origin']}; {when(found)}.",
            table(["backend", "top-1", "95 % interval", "drop, points", "95 % interval", "agreement", "SQNR"], rows),
            table(
                ["recall, %", *map(code, known)],
                [
                    ["float", *(f"{100 * float_recall[label]:.1f}" for label in known)],
                    ["int8, device features", *(f"{100 * int8_recall[label]:.1f}" for label in known)],
                ],
            ),
            f"Worst class in int8 on device features: {code(worst['label'])}, {100 * worst['recall']:.1f} %. Outputs of "
            "TFLite's reference kernels and of TFLM equal in every bit on all these clips: "
            f"{yes(found['bit_exact_with_tflm'])}. "
            "A drop is PyTorch's top-1 on float log-mel less the backend's; its interval is the paired one (Tango, 1998).",
            *([native_note(found["native"])] if found["native"] else []),
            *([streaming_note(stream)] if (stream := found["device_backends"].get("native_stream")) else []),
        ]
    )


def streaming_note(row: dict) -> str:
    """What a stream and its detector lose against the best class of whole windows in the same noise."""
    own = row["drop_against_in_noise"]
    return (
        "Against the best class of whole windows in the same noise, the stream and its detector lose "
        f"{own['points']:.2f} points (95 % interval {span(own['ci95'])})."
    )


def native_note(native: dict) -> str:
    """The note on the rows of the native engine in a verification, or why there are none. native: of verify.json."""
    if "refused" in native:
        return f"The native engine was left out: {native['refused']}."
    stream = native["stream"]
    low, high = stream["noise_level"]
    levels = " / ".join("no noise" if level is None else f"{level:g}" for level in stream["snr_db_quartiles"])
    around = f"{stream['surroundings_ms'] / 1000:g} s"
    return (
        f"A stream is {around} of noise ({stream['noise']}, {low:g} to {high:g} of its level), the clip in it and "
        f"{around} more" + f", speech to noise {levels} dB (quartiles)" * bool(levels) + "; the first word counts "
        f"that the detector reports at {stream['sensitivity']} sensitivity; none is right for silence and unknown words. "
        f"Scores come {stream['lag_ms']} ms after what they are about (averages of {stream['columns']} columns)."
    )


def condition(row: dict) -> str:
    """The name of a row of the field test."""
    return f"{row['group']}, {row['title']}" if row["title"] else row["group"]


def pause(milliseconds: int) -> str:
    """Where the detector reports a word, in a sentence."""
    if not milliseconds:
        return "The detector reports words wherever they are said."
    return f"The detector reports a word that begins at most {milliseconds:,} ms after a pause, or after a reported one."


def detector_section(report: dict) -> str:
    """The detector's thresholds, and the curve that they were chosen on, or the command that makes it."""
    found = report["detector"]
    chosen = f"were chosen on {found['chosen']}" if found["chosen"] else "are defaults, not chosen for this network"
    words = list(found["presets"]["high"])
    rows = [
        [code(word), *(", ".join(map(str, rows[word])) if word in rows else "never" for rows in found["presets"].values())]
        for word in words
    ]
    parts = [
        f"{pause(found['pause_ms'])} The thresholds {chosen}. Least probability, of 255, and hops:",
        table(["word", *found["presets"]], rows),
    ]
    curve = found["curve"]
    if curve is None:
        return "\n\n".join(
            [*parts, f"No curve yet: `make tune TAU={report['tau']:g} RECORDINGS=<recordings without keywords>`."]
        )
    rows = [[f"{point['rate']:.1f}", f"{100 * point['missed']:.1f} %"] for point in curve["points"]]
    return "\n\n".join(
        [
            *parts,
            f"As thresholds rise, counted on {curve['hours']:.2f} hours and {curve['keywords']:,} keywords that nothing was "
            "chosen on:",
            table(["false accepts an hour", "missed"], rows),
        ]
    )


def field_section(report: dict) -> str:
    """The table of the field test, or the command that makes it."""
    found = report["field"]
    if found is None:
        return f"Not measured yet: `make field-test TAU={report['tau']:g} DATA={recordings(report)}`."
    parts = {"window": "window, right", "reported": "keyword reported alone"}
    if not any(row["reported"] for row in found["rows"]):
        del parts["reported"]
    rows = [
        [condition(row)]
        + [
            cell
            for part in (row[name] for name in parts)
            for cell in ([f"{100 * part['share']:.1f} %", span(part["ci95"], 100)] if part else ["", ""])
        ]
        for row in found["rows"]
    ]
    reported = (
        f"Reported: by the detector at {found['sensitivity']} sensitivity, each keyword in a stream of background noise "
        "that goes through the condition as a whole."
        if "reported" in parts
        else f"{OTHER_THRESHOLDS}: `make field-test TAU={report['tau']:g} DATA={recordings(report)}`."
    )
    return "\n\n".join(
        [
            f"{found['clips']:,} clips: {found['data']['origin']}; measured {found['measured']} with `{found['command']}`.",
            table(["condition", *(cell for title in parts.values() for cell in (title, "95 % interval"))], rows),
            f"Native engine on the device's own features. {reported}",
        ]
    )


def native_section(report: dict) -> str:
    """Facts and cost of the native engine beside TFLM, or why there is none."""
    native, model, memory = report["native"], report["model"], report["memory"]
    if "refused" in native:
        return f"None for this network: {native['refused']}."
    parts = [
        f"`{native['file']}`, SHA-256 `{native['sha256']}`; ranges: {native['ranges']}; over the calibration clips "
        f"{kept(native)}. A score is complete {native['delay_columns']} columns after its own.",
        f"TFLM, for comparison: {model['tflite_bytes']:,} bytes of model, the interpreter's and the kernels' code "
        f"besides; arena {memory['arena_bytes']:,} bytes on a 64-bit host, {on_arm(memory)}.",
    ]
    if native["costs"] is None:
        return "\n\n".join(
            [*parts, f"Its instructions, flash and RAM are not measured yet: `make bench TAU={report['tau']:g}`."]
        )
    rows = [
        [
            core,
            f"{row['network_window']:,}",
            f"{row['network_hop']:,}",
            f"{row['engine_flash_bytes']:,}",
            f"{row['engine_state_bytes']:,}",
            f"{row['stream_state_bytes']:,}",
            f"{row['stack_bytes']:,}",
            yes(row["bit_exact"]),
        ]
        for core, row in native["costs"]["boards"].items()
    ]
    return "\n\n".join(
        [
            *parts,
            table(
                [
                    "core",
                    "instructions, window",
                    "instructions, hop",
                    "flash, bytes",
                    "state, bytes",
                    "stream, bytes",
                    "stack, bytes",
                    "bit-exact",
                ],
                rows,
            ),
            f"Instructions executed on emulated cores (no cycles) over {native['costs']['clip']}, "
            f"{native['costs']['compiler']}; without the feature pipeline. Flash is code, weights and tables. "
            f"`make bench TAU={report['tau']:g}`.",
        ]
    )


def native_lines(report: dict) -> list[tuple[str, str]]:
    """The native engine in the short form: accuracy on whole clips and in streams, and cost."""
    native, memory, found = report["native"], report["memory"], report["accuracy"]
    if "refused" in native:
        return [("native", f"none: {native['refused']}")]
    measured = found["device_backends"] if found else {}
    lines = [
        (
            name,
            f"top-1 {100 * row['top1']:.2f} % ({span(row['ci95'], 100)}), drop {row['drop_points']:.2f} points "
            f"({span(row['drop_ci95'])}), agreement {100 * row['agreement']:.2f} %"
            + (f", SQNR {sqnr(row)}" if sqnr(row) else ""),
        )
        for name, key in (("native", "native"), ("in a stream", "native_stream"))
        if (row := measured.get(key))
    ]
    if not lines:
        lines.append(("native", f"{kept(native)}, over the calibration clips"))
    if native["costs"] is None:
        return [*lines, ("", f"its flash, RAM and instructions: not measured yet: make bench TAU={report['tau']:g}")]
    row = native["costs"]["boards"][MAIN_CORE]
    return [
        *lines,
        (
            MAIN_CORE,
            f"flash {row['engine_flash_bytes']:,} bytes, state {row['engine_state_bytes']:,} and for a stream "
            f"{row['stream_state_bytes']:,} more; TFLM: model {report['model']['tflite_bytes']:,}, arena "
            f"{memory['arena_bytes']:,} on a host",
        ),
        (
            "",
            f"{row['network_window']:,} instructions a window, {row['network_hop']:,} a hop; equal to the integer "
            f"model bit for bit: {yes(row['bit_exact'])}",
        ),
    ]


def graph_row(name: str, graph: dict, chosen: bool) -> list[str]:
    """One graph's figures, or why the gate refused it."""
    if "refused" in graph:
        return [f"`{name}`", f"refused: {graph['refused']}", *[""] * 5]
    return [
        f"`{name}`" + " (chosen)" * chosen,
        f"{graph['tflite_bytes']:,}",
        f"{graph['arena_bytes']:,}",
        f"{sum(graph['ops'].values())}",
        f"{100 * graph['agreement']:.1f} %",
        decibels(graph["sqnr_db"]),
        yes(graph["bit_exact_with_tflm"]),
    ]


def markdown(report: dict) -> str:
    """report.md."""
    model, calibration, checkpoint = report["model"], report["calibration"], report["checkpoint"]
    fidelity, memory = report["fidelity"], report["memory"]
    operators = [[row["op"], row["count"], f"{row['macs']:,}", f"{row['bytes']:,}"] for row in model["op_table"]]
    totals = [sum(row[key] for row in model["op_table"]) for key in ("count", "macs", "bytes")]
    operators.append(["all", *(f"{total:,}" for total in totals)])
    graphs = [graph_row(name, graph, name == model["graph"]) for name, graph in report["graphs"].items()]
    shape = " x ".join(str(n) for n in model["input"]["shape"])
    facts = [
        ["checkpoint", f"{checkpoint['path']}, SHA-256 `{checkpoint['sha256']}`"],
        ["model", f"{model['file']}, SHA-256 `{model['sha256']}`"],
        ["parameters", f"{model['parameters']:,}"],
        ["MACs", f"{model['macs']:,}: {model['macs_counting']}"],
        ["flash, model", f"{model['tflite_bytes']:,} bytes"],
        ["arena", f"{memory['arena_bytes']:,} bytes ({memory['arena_measured']}); {on_arm(memory)}"],
        ["window", windowed(report["features"]["clip_samples"]).window_text],
        ["input", f"int8 [{shape}], scale {model['input']['scale']:g}, zero point {model['input']['zero_point']}"],
        ["output", f"int8, {len(report['labels'])} classes: {', '.join(map(code, report['labels']))}"],
        ["calibration", f"{calibration['clips']} clips, {calibration['source']}; ranges: {calibration['ranges']}"],
        [
            "fidelity",
            f"{kept(fidelity)}; equal to TFLM in every bit: {yes(fidelity['bit_exact_with_tflm'])} "
            f"({fidelity['source']}, {fidelity['clips']:,} clips)",
        ],
    ]
    return (
        "\n\n".join(
            [
                f"# BC-ResNet-{report['tau']:g}, int8, graph `{model['graph']}`",
                "| | |\n|---|---|\n" + "\n".join(f"| {name} | {cell(value)} |" for name, value in facts),
                "## Accuracy and what int8 costs",
                accuracy_section(report),
                "## In the field",
                field_section(report),
                "## Misses and false accepts",
                detector_section(report),
                "## Native engine",
                native_section(report),
                "## Beside TFLM with CMSIS-NN",
                table(comparison.TITLES, [comparison.cells(row) for row in report["comparison"]]),
                comparison.notes(report["comparison"]),
                "## On an Ethos-U",
                npu_section.section(report),
                "## Operators",
                table(["op", "count", "MACs", "bytes of constants"], operators),
                "MACs here are those of the graph as it stands, the zeros of widened kernels included; the file holds the "
                "constants and the description of the graph.",
                "## Graphs",
                "Fidelity here is over the calibration clips.",
                table(["graph", "bytes", "arena, bytes", "ops", "agreement", "SQNR", "equals TFLM"], graphs),
            ]
        )
        + "\n"
    )


def short(report: dict, build: Path | None = None) -> str:
    """The report in some twenty lines for a terminal. `build`: folder whose files it names (default build/tau<T>)."""
    build = build or Path(f"build/tau{report['tau']:g}")
    model, calibration, fidelity = report["model"], report["calibration"], report["fidelity"]
    found, features = report["accuracy"], windowed(report["features"]["clip_samples"])
    longer = "" if features == FEATURES else f" of {features.window_text}"
    rows = [
        ("checkpoint", f"{report['checkpoint']['path']} (SHA-256 {report['checkpoint']['sha256'][:12]})"),
        ("parameters", f"{model['parameters']:,}"),
        ("MACs", f"{model['macs']:,} a window{longer} (way of counting: report.md)"),
        ("model", f"{model['tflite_bytes']:,} bytes, {sum(model['ops'].values())} ops of {len(model['ops'])} kinds"),
        ("arena", f"{report['memory']['arena_bytes']:,} bytes on a 64-bit host, {on_arm(report['memory'])}"),
        ("calibration", f"{calibration['clips']} clips, {calibration['source']}"),
        ("fidelity", kept(fidelity)),
        (
            "",
            f"over {fidelity['clips']:,} clips ({fidelity['source']}); "
            f"equal to TFLM bit for bit: {yes(fidelity['bit_exact_with_tflm'])}",
        ),
    ]
    if found:
        before, after = found["backends"]["pytorch"], found["device_backends"]["tflite"]
        rows += [
            (
                "accuracy",
                f"float {100 * before['top1']:.2f} %, int8 on device features "
                f"{100 * after['top1']:.2f} %: drop {after['drop_points']:.2f} points "
                f"(95 % interval {span(after['drop_ci95'])})",
            ),
            ("", f"over {found['clips']:,} clips, {found['origin']} {found['measured']}"),
        ]
    else:
        rows.append(("accuracy", "not measured yet"))
    rows += native_lines(report)
    rows.append(("files", f"{build / model['file']}"))
    if report["firmware"]:
        rows.append(("", f"{build / 'firmware'}/"))
    rows += [("", f"{build / 'report.md'}"), ("", f"{build / 'report.html'}")]
    if not found or found["origin"] != "measured":
        rows.append(("next", f"make verify TAU={report['tau']:g} DATA={recordings(report)}"))
    head = f"BC-ResNet-{report['tau']:g}, int8, graph {model['graph']}"
    return "\n".join([head, *(f"  {name:<12}{value}" for name, value in rows)])
