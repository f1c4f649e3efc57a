"""Listen in a terminal: the firmware's features, engine and detector, compiled for this machine, on its microphone.

    python -m demo.listen --tau 1
    python -m demo.listen --tau 1 --device "USB" --sensitivity high
    python -m demo.listen --tau 1 --wav examples/yes.wav

Prints each word when it is decided, and what the level meter says. The microphone needs the package sounddevice
(requirements/listen.txt) and PortAudio; Ctrl-C ends it. A file may have any format that libsndfile reads, any rate and
length; --real-time takes as long as it plays.
"""

from __future__ import annotations

import argparse
import itertools
import queue
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common import locks, options, resampling
from common.description import FEATURES, STREAM_COLUMNS
from common.errors import OptionParser, UserError, one_line_errors
from detector.binding import Detector
from detector.golden import Event
from detector.settings import HOP_MS, MEDIUM, SENSITIVITIES, Settings, is_word
from engine.binding import Engine
from engine.network import Network
from firmware_gen import inputs
from frontend.binding import Stream
from frontend.level import Status
from frontend.level_binding import Meter, Reading, text
from training.data import recordings

SILENT_HOPS = 150
"""Behind the end of a file, until the network has taken all of it and every word is decided; as in the examples."""
LEVEL_SECONDS = 4
"""Of a microphone, that one look at its level takes."""
BLOCK_SECONDS = 0.1
NAME_ONE = "name a sound file"
"""The remedy where WAV= is none."""


class Ear:
    """The firmware's chain from samples to words, and its level meter."""

    def __init__(self, network: Network, settings: Settings, sensitivity: str = MEDIUM):
        """UserError where the C cannot be compiled."""
        self.labels = network.labels
        self.stream, self.engine, self.meter = Stream(), Engine(network), Meter()
        self.detector = Detector(settings.preset(sensitivity), HOP_MS * (STREAM_COLUMNS - 1) // 2)

    def hear(self, samples: np.ndarray) -> list[Event]:
        """Samples int16 [k] at 16 kHz -> the words that they decide."""
        self.meter.push(samples)
        return self.words(samples)

    def end(self) -> list[Event]:
        """The words that silence behind the sound decides."""
        return self.words(np.zeros(SILENT_HOPS * FEATURES.hop, np.int16))

    def words(self, samples: np.ndarray) -> list[Event]:
        """As `hear`, without the meter."""
        scores = self.engine.feed(self.stream.feed(samples))
        return [event for _, event in self.detector.feed(*self.engine.best(scores))]


def percent(confidence: int) -> int:
    """255ths as per cent, halves up: as the examples, the page and the bare-metal program show it."""
    return (100 * confidence + 127) // 255


def line(label: str, event: Event) -> str:
    """As the examples print it, such as `yes (98 %)  at 0.46 s`."""
    return f"{label} ({percent(event.confidence)} %)  at {event.ms // 1000}.{event.ms % 1000 // 10:02} s"


def level_line(reading: Reading) -> str:
    """Levels and advice."""
    return f"level: {reading}, {text(reading.status)}"


# ---- Where the samples come from ----


def in_file(path: Path, real_time: bool) -> Iterator[np.ndarray]:
    """The samples of a file at 16 kHz, int16 [k], in blocks; in real time, each when it has been played. UserError where it
    cannot be read."""
    if not path.is_file():
        raise UserError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; {NAME_ONE}")
    _, rate = recordings.header(path, NAME_ONE)
    start, played = time.monotonic(), 0
    for block in resampling.to_16_khz(recordings.blocks(path, 1), rate):
        size = round(BLOCK_SECONDS * FEATURES.sample_rate) if real_time else max(1, len(block))
        for part in (block[at : at + size] for at in range(0, len(block), size)):
            played += len(part)
            if real_time:
                time.sleep(max(0.0, start + played / FEATURES.sample_rate - time.monotonic()))
            yield part


def sounddevice() -> Any:
    """The package; UserError where it or its library is missing."""
    try:
        import sounddevice as package
    except ImportError:
        raise UserError(
            "the microphone needs sounddevice; run `.venv/bin/python -m pip install -r requirements/listen.txt`, "
            "or name a file (make: WAV=FILE)"
        ) from None
    except OSError:
        raise UserError(
            "the microphone needs PortAudio; run `apt-get install libportaudio2`, or name a file (make: WAV=FILE)"
        ) from None
    return package


def at_device(device: str) -> Iterator[np.ndarray]:
    """Open a microphone -> its samples at 16 kHz, int16 [k], without end. device: its number or a part of its name; the
    system's own where it is empty. UserError where it cannot be opened."""
    package = sounddevice()
    blocks: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()
    chosen: int | str | None = int(device) if device.isdecimal() else device or None
    try:
        rate = round(package.query_devices(chosen, "input")["default_samplerate"])
        stream = package.InputStream(
            samplerate=rate,
            blocksize=round(BLOCK_SECONDS * rate),
            device=chosen,
            channels=1,
            dtype="int16",
            callback=lambda samples, *_: blocks.put(samples[:, 0].copy()),
        )
    except (ValueError, package.PortAudioError) as error:
        names = [f"{row['index']} {row['name']}" for row in package.query_devices() if row["max_input_channels"]]
        remedy = (
            f"choose one of {', '.join(names)}" if names else "none is there: connect one, or name a file (make: WAV=FILE)"
        )
        raise UserError(f"microphone {device or 'of the system'}: {error}; {remedy}") from None

    def samples() -> Iterator[np.ndarray]:
        with stream:
            yield from resampling.to_16_khz((blocks.get() for _ in itertools.count()), rate)

    return samples()


# ---- The command ----


def listen(ear: Ear, blocks: Iterable[np.ndarray], endless: bool) -> int:
    """Print the words of a sound, and return how many there were. endless: its level is looked at every few seconds and
    printed where its advice changes; else once, at the end."""
    count, advised = 0, Status.OK
    try:
        for block in itertools.chain(blocks, [None]):
            events = ear.end() if block is None else ear.hear(block)
            for event in events:
                print(line(ear.labels[event.word], event), flush=True)
            count += len(events)
            reading = ear.meter.read()
            if endless and reading.samples >= LEVEL_SECONDS * FEATURES.sample_rate:
                if reading.status != advised:
                    print(level_line(reading), flush=True)
                advised = reading.status
                ear.meter.reset()
    except KeyboardInterrupt:
        if not endless:
            raise
        print(flush=True)
    return count


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m demo.listen", __doc__)
    which = parser.add_mutually_exclusive_group()
    options.add_build(which)
    options.add_tau(which)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--device", default="", help="the microphone's number, or a part of its name (default the system's)")
    where.add_argument("--wav", type=Path, help="a sound file instead")
    parser.add_argument("--real-time", action="store_true", help="take as long as the file plays")
    parser.add_argument("--sensitivity", default=MEDIUM, help=f"{', '.join(SENSITIVITIES)} (default {MEDIUM})")
    return parser.parse_args(argv)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    if args.sensitivity not in SENSITIVITIES:
        raise UserError(f"no sensitivity {args.sensitivity}; choose one of {', '.join(SENSITIVITIES)}")
    build, _ = options.build_and_tau(args)
    with locks.reading(build):
        source = inputs.load(build)
    if source.native is None:
        raise UserError(f"{build}: the native engine cannot hold this network (see {inputs.CONVERSION})")
    ear = Ear(source.native, source.detector, args.sensitivity)
    if args.wav is None:
        blocks = at_device(args.device)
        print(f"listening for {', '.join(filter(is_word, ear.labels))}; Ctrl-C ends it", flush=True)
        listen(ear, blocks, endless=True)
    else:
        if not listen(ear, in_file(args.wav, args.real_time), endless=False):
            print("no word")
        print(level_line(ear.meter.read()))


if __name__ == "__main__":
    sys.exit(main())
