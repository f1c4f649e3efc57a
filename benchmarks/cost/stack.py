"""The stack of every function of the firmware, as the compiler lays it out, and of each call with all that it calls.

    python -m benchmarks.stack --tau 1
    python -m benchmarks.stack --tau 1 --record

For Cortex-M0, M4 and M55 at -O0, -Os and -O2. A frame is what GCC reports by -fcallgraph-info=su, the registers that a
function saves among it; a call's depth is the longest chain of frames behind it. The C library's own functions, such as
memcpy, count nothing. --record keeps the figures in recorded_stack.json, which the documentation shows.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.cost import bench, emulator, on_board
from benchmarks.cost.bench_text import aligned
from benchmarks.cost.emulator import CORES, Core
from common import locks, names, options
from common.atomic import write_text
from common.build_folder import remedy
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import read_json
from common.schema import Each, fits
from firmware_gen.folder import prefix

PATH = Path(__file__).parent / "recorded_stack.json"
REMEDY = "restore it from the repository, or run `make stack TAU=1 KEEP=1`"
MEASURED = ("cortex-m0", "cortex-m4", "cortex-m55")
LEVELS = ("-O0", "-Os", "-O2")
CALLS = (
    "kws_frontend_push",
    "kws_frontend_clip",
    "kws_push",
    "kws_scores_stream",
    "kws_scores_window",
    "kws_best",
    "kws_detect",
    "kws_level_push",
    "kws_level_read",
    "kws_selftest",
)
"""What an application calls, of the functions that take more than a little stack."""
FUNCTIONS = {"calls": Each(int), "functions": Each(int)}
FORM = {"recorded": str, "compiler": str, "tau": str, "cores": Each(Each(FUNCTIONS))}
"""Schema of recorded_stack.json. cores: by core and level, bytes of each call with all that it calls, and of each function
alone."""

Graph = dict[str, tuple[int, set[str]]]
"""By the compiler's title of a function: bytes of its frame, and the titles of those that it calls."""


def read_graph(texts: Iterable[str]) -> Graph:
    """The call graph in the .ci files of some sources. UserError for a frame that has no size at compile time."""
    frames, called = {}, defaultdict(set)
    for text in texts:
        for title, label in re.findall(r'^node: \{ title: "([^"]*)" label: "([^"]*)"', text, re.M):
            found = re.search(r"(\d+) bytes \((\w+(?:,bounded)?)\)", label)
            if found and found[2] == "dynamic":
                raise UserError(f"{title}: its frame has no size at compile time; report this")
            if found:
                frames[title] = int(found[1])
        for source, target in re.findall(r'^edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"', text, re.M):
            called[source].add(target)
    return {title: (size, called[title] & frames.keys()) for title, size in frames.items()}


def depth(graph: Graph, title: str) -> int:
    """Bytes of the longest chain of frames that begins with a function. No function calls itself."""

    @functools.cache
    def longest(name: str) -> int:
        frame, called = graph[name]
        return frame + max(map(longest, called), default=0)

    return longest(title)


def measure(core: Core, level: str, firmware: Path) -> dict[str, dict[str, int]]:
    """`FUNCTIONS` of one core at one level. firmware: folder of the generated sources."""
    folders = [firmware, firmware / "native"]
    sources = [path.resolve() for folder in folders for path in sorted(folder.glob("*.c"))]
    with tempfile.TemporaryDirectory() as out:
        for source in sources:
            emulator.call(
                [
                    emulator.COMPILER,
                    "-mthumb",
                    *core.flags,
                    *emulator.OPTIMISATION,
                    level,
                    *emulator.WARNINGS,
                    *(names.renamed(option, prefix(firmware)) for option in emulator.PLAIN),
                    *(f"-I{folder}" for folder in folders),
                    "-fcallgraph-info=su",
                    "-c",
                    source,
                    "-o",
                    Path(out) / f"{source.stem}.o",
                ]
            )
        graph = read_graph(path.read_text() for path in sorted(Path(out).glob("*.ci")))
    calls = [names.renamed(name, prefix(firmware)) for name in CALLS]
    missing = [name for name in calls if name not in graph]
    if missing:
        raise UserError(f"{firmware}: has no function {missing[0]}; {remedy(firmware.parent)}")
    functions: dict[str, int] = {}
    for title, (frame, _) in graph.items():
        name = title.rpartition(":")[2].partition(".")[0]
        functions[name] = max(frame, functions.get(name, 0))
    return {"calls": {name: depth(graph, name) for name in calls}, "functions": dict(sorted(functions.items()))}


def load() -> dict:
    """recorded_stack.json; UserError where it is missing or damaged."""
    figures = read_json(PATH, REMEDY)
    if figures is None:
        raise UserError(f"{PATH}: missing; {REMEDY}")
    whole = fits(figures, FORM) and {core: [*row] for core, row in figures["cores"].items()} == {
        core: [*LEVELS] for core in MEASURED
    }
    if not whole:
        raise UserError(f"{PATH}: damaged, figures are missing; {REMEDY}")
    return figures


def rows(figures: Mapping[str, Mapping], part: str, least: int = 0) -> list[list[str]]:
    """A row for each call or function that takes `least` bytes somewhere: its name, and bytes by core and level; empty
    where it was inlined or does not exist. figures: the `cores` of recorded_stack.json. part: "calls" or "functions"."""
    columns = [figures[core][level][part] for core in MEASURED for level in LEVELS]
    titles = list(columns[0]) if part == "calls" else sorted({name for column in columns for name in column})
    return [
        [name, *(f"{column[name]:,}" if name in column else "" for column in columns)]
        for name in titles
        if max(column.get(name, 0) for column in columns) >= least
    ]


def head(what: str) -> list[str]:
    """The head of a table of `rows`."""
    return [what, *(f"{core.removeprefix('cortex-').upper()} {level}" for core in MEASURED for level in LEVELS)]


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.stack", __doc__)
    options.add_build(parser)
    options.add_tau(parser)
    parser.add_argument("--record", action="store_true", help=f"keep the figures in {PATH.name}")
    args = parser.parse_args(argv)
    build, tau = options.build_and_tau(args)
    with locks.reading(build):
        firmware = on_board.firmware_of(build)
        if args.record and prefix(firmware) != names.PREFIX:
            raise UserError(f"{firmware}: --record keeps the default names, not {prefix(firmware)}_; {remedy(build)}")
        cores = {core: {level: measure(CORES[core], level, firmware) for level in LEVELS} for core in MEASURED}
    print("bytes of stack of a call, with all that it calls:")
    print("\n".join(aligned([head("call"), *rows(cores, "calls")])))
    print("bytes of stack of a function alone:")
    print("\n".join(aligned([head("function"), *rows(cores, "functions")])))
    if args.record:
        facts = {
            "command": "make stack KEEP=1",
            "recorded": datetime.date.today().isoformat(),
            "compiler": bench.version(emulator.COMPILER),
            "tau": f"{tau:g}",
        }
        write_text(PATH, json.dumps(facts | {"cores": cores}, indent=1) + "\n")
        print(PATH)
