"""What the level meter of the firmware, kws_level.h, says of sound files.

    python -m benchmarks.level examples/yes.wav recordings/
    python -m benchmarks.level --measure --data ~/speech_commands
    python -m benchmarks.level --cost

A file is converted to 16 kHz, channels averaged; one with suffix .raw is what a device sent: 16-bit samples without a
header, taken as they are. --measure prints the tables of docs/integration/microphone.md: how often right sounds of many
kinds and levels are taken for wrong, and how often each wrong format is found, over Speech Commands' validation clips and
background noises; folders that are named are one more kind. --cost prints what the meter costs on emulated cores.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cost import level_on_core
from benchmarks.cost.emulator import CORES
from benchmarks.listening import level_sounds
from benchmarks.listening.level_sounds import FORMATS, LEVELS, RATE, RATES, Sources, right
from common import options, progress, resampling
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import read_plain, shown
from common.resampling import by_spectrum
from frontend import level_binding
from frontend.level import LEVEL, Status
from frontend.level_binding import Meter, Reading
from training.data import recordings
from training.data.recordings import Found

RAW = ".raw"
COST_CORES = ("cortex-m0", "cortex-m4", "cortex-m55")
SECONDS = (1, 3, 10)
DETECTION_SECONDS = 3
COUNT = 100
"""Sounds of a kind at each level."""
FORMAT_FAULTS = (Status.HALF_EMPTY, Status.SWAPPED, Status.WRONG_BITS, Status.STEREO)


def blocks_of(path: Path) -> Iterator[np.ndarray]:
    """The samples of a file, int16 [samples], in blocks. UserError where it cannot be read."""
    if path.suffix.lower() == RAW:
        content = read_plain(path, "name a file of 16-bit samples")
        yield np.frombuffer(content, "<i2", len(content) // 2)
        return
    if not path.is_file():
        raise UserError(f"{path}: no such file; name a sound file or a folder of them")
    _, rate = recordings.header(path, "name another, or remove it")
    yield from resampling.to_16_khz(recordings.blocks(path, 30), rate)


def reading_of(path: Path) -> Reading:
    """What the meter says of a file."""
    meter = Meter()
    for block in blocks_of(path):
        meter.push(block)
    return meter.read()


def line(reading: Reading) -> str:
    """The figures and the advice, as one line."""
    more = f", DC {reading.dc}" if reading.status == Status.DC else ""
    more += f", clipped {reading.clipped_ppm / 10_000:.2f} %" if reading.clipped_ppm else ""
    return f"{reading}, loudest {reading.loudest / 10:.1f} dBFS{more}, {level_binding.text(reading.status)}"


def files_of(named: Sequence[Path]) -> list[Path]:
    """The files, and all recordings below the folders. UserError where a folder has none."""
    found: list[Path] = []
    for path in recordings.folders_of(named):
        if path.is_dir():
            heard = recordings.SUFFIXES | {RAW}
            inside = recordings.files(path, heard)
            if line := recordings.passed_over(Found([], [], recordings.files(path, recordings.UNREAD))):
                print(line)
            if not inside:
                raise UserError(f"{path}: no recordings here ({', '.join(sorted(heard))}); name a folder of sound")
            found += sorted(inside, key=lambda file: (file.suffix.lower() != RAW, file))
        else:
            found.append(path)
    return found


# ---- Tables ----


def share(part: int, whole: int) -> str:
    """Per cent; 0 only where there is none at all."""
    return "0" if part == 0 else f"{100 * part / max(1, whole):.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, figures to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def false_alarms(sources: Sources, count: int) -> str:
    """Right sounds: for each kind and length, the share taken for a wrong format."""
    rows = []
    for kind in sources.kinds():
        row, all_of_it = [kind], Counter[Status]()
        for seconds in SECONDS:
            sounds = sources.sounds(kind, seconds, count)
            found = Counter(level_binding.measure(right(sound)).status for _, sound in sounds)
            row.append(f"{share(sum(found[fault] for fault in FORMAT_FAULTS), found.total())} of {found.total():,}")
            all_of_it += found
        others = (Status.CLIPPING, Status.DC, Status.TOO_QUIET)
        rows.append([*row, *(share(all_of_it[status], all_of_it.total()) for status in others)])
    head = ["right sound", *(f"wrong format said at {seconds} s, %" for seconds in SECONDS), "clipping", "DC", "quiet"]
    return table(head, rows)


def detection(sources: Sources, count: int) -> str:
    """Speech and a room's noise in each wrong format: the share found at each level, and of another format or OK."""
    rows = []
    sounds = list(sources.sounds("speech", DETECTION_SECONDS, count))
    for name, (wanted, convert) in progress.over([*FORMATS.items()], "wrong formats", "format"):
        found: dict[int, Counter[Status]] = {level: Counter() for level in LEVELS}
        for level, sound in sounds:
            found[level][level_binding.measure(convert(sound)).status] += 1
        others = sum((said for said in found.values()), Counter())
        for status in wanted:
            others.pop(Status[status], None)
        misled = sum(others[fault] for fault in FORMAT_FAULTS)
        hits = [share(sum(said[Status[status]] for status in wanted), said.total()) for said in found.values()]
        rows.append([name, *hits, share(misled, len(sounds))])
    for name, rate in RATES.items():
        elapsed = round(1000 * DETECTION_SECONDS * RATE / rate)
        found_at: dict[int, Counter[tuple[bool, bool]]] = {level: Counter() for level in LEVELS}
        for level, sound in sounds:
            read = right(by_spectrum(sound, rate / RATE))[: len(sound)]
            by_sound, by_clock = (level_binding.measure(read, ms).status for ms in (0, elapsed))
            found_at[level][by_sound in FORMAT_FAULTS, by_clock == Status.WRONG_RATE] += 1
        said = list(found_at.values())
        hits = [share(counts[False, True] + counts[True, True], counts.total()) for counts in said]
        misled = sum(counts[True, True] + counts[True, False] for counts in said)
        rows.append([f"{name}, with a clock", *hits, share(misled, len(sounds))])
    return table(["wrong", *(f"found at {level} dBFS, %" for level in LEVELS), "another format said, %"], rows)


def measure(data: Path | None, folders: Sequence[Path], count: int) -> None:
    """Print both tables."""
    if data is None:
        raise UserError("no Speech Commands named: set GSC_ROOT or --data")
    sources = Sources(data, folders)
    print(f"{count} sounds of each kind and length at each of {', '.join(map(str, LEVELS))} dBFS RMS\n")
    print(false_alarms(sources, count) + "\n")
    print(f"speech of {DETECTION_SECONDS} s, RMS against full scale before it is spoilt\n")
    print(detection(sources, count))


def cost() -> None:
    """Print a table: executed instructions of a sample and of a reading, flash, RAM and stack on some cores."""
    rng, rows = np.random.default_rng(level_sounds.SEED), []
    sound = right(level_sounds.at_level(level_sounds.pink(rng, 4 * LEVEL.block), -30))
    with level_on_core.source_folder() as folder:
        for name in COST_CORES:
            image = level_on_core.build(CORES[name], folder, folder / f"{name}.elf")
            done = level_on_core.measure(image, [sound], [len(sound)])
            instructions = level_on_core.instructions_of_a_sample(image, sound)
            alone, with_texts = (level_on_core.footprint(CORES[name], folder, texts)["flash"] for texts in (False, True))
            figures = f"{instructions:.0f}", f"{max(done.reads):,}", f"{alone:,} / {with_texts:,}", f"{done.stack}"
            rows.append([name, *figures])
    head = ["core", "instructions of a sample", "of a reading", "flash without / with texts, bytes", "stack, bytes"]
    print(table(head, rows))
    print(f"state: {ctypes.sizeof(level_binding.State)} bytes")


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.level", __doc__)
    parser.add_argument("sounds", type=Path, nargs="*", metavar="SOUND", help="files, and folders of them at any depth")
    parser.add_argument("--measure", action="store_true", help="how often the meter is right")
    parser.add_argument("--count", type=int, default=COUNT, help=f"sounds of a kind at each level (default {COUNT})")
    options.add_data(parser, "Speech Commands, for --measure")
    parser.add_argument("--cost", action="store_true", help="what it costs on emulated cores")
    args = parser.parse_args(argv)
    if args.cost:
        cost()
        return
    if args.measure:
        measure(args.data, args.sounds, args.count)
        return
    if not args.sounds:
        raise UserError("no sound named: give files or folders of them (make: WAV=FILE or RECORDINGS=DIR)")
    for path in files_of(args.sounds):
        print(f"{shown(path)}: {line(reading_of(path))}")
