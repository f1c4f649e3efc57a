"""The output of `make budget`: every width on one core in detail, on all cores in short, and the best that fits."""

from __future__ import annotations

from benchmarks.accuracy import known_accuracy
from benchmarks.cost.bench_text import aligned
from benchmarks.cost.needs import Limits, Need

Needs = dict[float, dict[str, Need]]
"""By width and core."""
NOT_TRAINED = "not trained yet"


def percent(part: float) -> str:
    return f"{100 * part:.1f} %"


def backend(limits: Limits) -> str:
    """The backend whose accuracy is that of this mode."""
    return "native_stream" if limits.every is None else "native"


def verified(taus: list[float]) -> dict[float, known_accuracy.Accuracy]:
    """The verifications of those of these widths that have one."""
    return {tau: found for tau in taus if (found := known_accuracy.find(tau))}


def most_accurate(taus: list[float], limits: Limits) -> float:
    """The width with the highest verified top-1 in this mode; the widest where none was verified, or two are equal.

    A width that was verified over other clips than most is not compared. Where one lacks this mode's figures, as in a stream
    after `make tune`, all are compared over whole clips, or in float: these are higher than a stream's.
    """
    found = known_accuracy.over_the_same_clips(verified(taus))
    how = next(name for name in (backend(limits), "native", "float") if all(name in known.rows for known in found.values()))
    return max(taus, key=lambda tau: (found[tau].row(how)["top1"] if tau in found else -1.0, tau))


def not_compared(taus: list[float]) -> dict[float, str]:
    """A note for each width that was verified over other clips than most."""
    found = verified(taus)
    compared = known_accuracy.over_the_same_clips(found)
    return {tau: f"over {known.clips:,} other clips" for tau, known in found.items() if tau not in compared}


def accuracy(tau: float, limits: Limits, brief: bool = False) -> str:
    """Top-1 of the native engine in this mode, else of the float network; or that this width is not trained, or not
    verified."""
    found = known_accuracy.find(tau)
    if found:
        how = backend(limits)
        return found.brief(how) if brief else f"{found.text(how)}, {found.origin} {found.date}"
    if not known_accuracy.trained(tau):
        return NOT_TRAINED
    return "not verified yet" if brief else f"not verified yet: make verify TAU={tau:g}"


def head(limits: Limits) -> list[str]:
    """The limits, and what is assumed."""
    how = (
        "stream: features, network and detector once every 10 ms"
        if limits.every is None
        else (f"window: features every 10 ms, network and detector over the latest window every {1000 * limits.every:g} ms")
    )
    return [
        f"budget: RAM {limits.ram:,} bytes, flash {limits.flash:,} bytes (k is 1,024), {100 * limits.load:g} % of "
        f"{limits.clock / 1e6:g} MHz",
        how,
        f"{limits.cpi_origin}: {limits.cpi:.2f} cycles an instruction; of other cores that is a guess"
        if limits.cpi_origin
        else f"assumed: {limits.cpi:g} cycles an instruction (CPI; 1.5 unless measured on your board by the self-test)",
    ]


def detail(limits: Limits, core: str, needs: Needs, origins: dict[float, str]) -> list[str]:
    """Every width on one core."""
    rows = [["tau", "RAM", "flash", "instructions/s", "load", *(["a window"] if limits.every else []), "fits"]]
    for tau, cores in needs.items():
        need = cores[core]
        rows.append(
            [
                f"{tau:g}",
                f"{need.ram_bytes:,}",
                f"{need.flash:,}",
                f"{need.instructions:,.0f}",
                percent(need.load(limits)),
                *([f"{1000 * need.window * limits.cpi / limits.clock:.1f} ms"] if limits.every else []),
                "no" if need.reasons(limits) else "yes",
            ]
        )
    others = not_compared([*needs])
    notes = ["top-1", *(f"{accuracy(tau, limits, brief=True)} {others.get(tau, '')}".rstrip() for tau in needs)]
    sources: dict[str, list[str]] = {}
    for tau, origin in origins.items():
        sources.setdefault(origin, []).append(f"{tau:g}")
    return [
        *(f"{line}  {note}" for line, note in zip(aligned(rows), notes)),
        *(f"figures of tau {', '.join(taus)}: {origin}" for origin, taus in sources.items()),
    ]


def everywhere(limits: Limits, needs: Needs) -> list[str]:
    """Every width on every core: its load of the clock, or the limits that it exceeds."""
    cores = list(next(iter(needs.values())))
    rows = [["tau", *cores]]
    for tau, row in needs.items():
        rows.append(
            [
                f"{tau:g}",
                *(
                    ", ".join(reason.split()[0] for reason in row[core].reasons(limits)) or percent(row[core].load(limits))
                    for core in cores
                ),
            ]
        )
    return ["load of the clock where it fits, else what is too much:", *aligned(rows)]


def report(limits: Limits, core: str, needs: Needs, origins: dict[float, str]) -> str:
    """The tables. origins: where the figures of a width come from."""
    ram = "engine, stream, features, detector and the deepest of their stacks"
    windows = sorted({row[core].ram["window"] for row in needs.values()}) if limits.every else []
    return "\n".join(
        [
            *head(limits),
            f"{core}:",
            *detail(limits, core, needs, origins),
            f"RAM: {ram}"
            + f", and {' or '.join(f'{size:,}' for size in windows)} bytes of features for a window" * bool(windows),
            "flash: pipeline, engine and detector; your own program, its stack and audio buffers come on top",
            *everywhere(limits, needs),
        ]
    )


def verdict(limits: Limits, core: str, tau: float, need: Need) -> str:
    """Whether one width fits."""
    reasons = need.reasons(limits)
    if reasons:
        return f"tau {tau:g} does not fit {core}: {'; '.join(reasons)}"
    return (
        f"tau {tau:g} fits {core}: RAM {need.ram_bytes:,} of {limits.ram:,}, flash {need.flash:,} of "
        f"{limits.flash:,}, load {percent(need.load(limits))} of {100 * limits.load:g} %"
    )


def answer(limits: Limits, core: str, needs: Needs, fitting: list[float], chosen: float | None) -> str:
    """Whether the chosen width fits, and the best that does.

    That is the widest that fits where it is not trained, since accuracy grows with width in the paper; else the most
    accurate of the trained ones.
    """
    lines = [] if chosen is None else [verdict(limits, core, chosen, needs[chosen][core])]
    if not fitting:
        least = min(needs)
        reasons = "; ".join(needs[least][core].reasons(limits))
        return "\n".join([*lines, f"no model fits {core}; the smallest, tau {least:g}: {reasons}"])
    ready = [tau for tau in fitting if known_accuracy.trained(tau)]
    best = max(fitting)
    if best in ready:
        best = most_accurate(ready, limits)
    known = accuracy(best, limits)
    if known == NOT_TRAINED:
        known += f": make train TAU={best:g} (in the paper {known_accuracy.PAPER[best]} % in float, with all the data)"
    lines.append(f"the best model that fits {core}: tau {best:g}, accuracy {known}")
    if ready and best not in ready:
        second = most_accurate(ready, limits)
        lines.append(f"the best of those that are trained: tau {second:g}, accuracy {accuracy(second, limits)}")
    lines += [f"tau {tau:g} is not compared: it was verified {clips}" for tau, clips in not_compared(ready).items()]
    return "\n".join(lines)
