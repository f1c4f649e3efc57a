"""How a device listens: keywords in sound of stated level, and hours in which none is said.

    python -m benchmarks.listen_test --tau 1 --data ~/speech_commands --recordings ~/negatives
    python -m benchmarks.listen_test --tau 1 --data ~/speech_commands --split testing --record
    python -m benchmarks.listen_test --tau 1 --data ~/speech_commands --columns 10

Keywords: clips of the data at random intervals in a quiet room, in recorded noise and in music, at 20, 10 and 5 dB
(benchmarks/listening/scenes.py). A report counts for a word whose middle is at most 500 ms away. Counted are words that are
hit and missed, reports of another word, repeats of the same one, and reports where nothing was said; and of words that are
said twice, 300 ms apart, how many are reported twice.

Negatives: a quiet room, the data's recordings of noise, music, and the sounds in each folder in RECORDINGS, each kind as one
stream with pauses (benchmarks/listening/continuous.py): reports an hour, with the exact 95 % interval of a Poisson rate.

All goes through the generated C: features, native engine, detector, at each of its sensitivities. Writes listen.json and the
truth of every scene, listen_truth.json, into the build folder; --record keeps the figures of a shipped checkpoint, for
kws_detector.h and the documentation; --out DIR writes the scenes as wav files. --columns shows what the build's thresholds
are worth where KWS_STREAM_COLUMNS was changed, and keeps nothing. Same data, same figures, on every machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.accuracy import clips
from benchmarks.listening import continuous, matching, scenes, streaming
from benchmarks.listening.decided import made_by, of_this_detector
from benchmarks.listening.scenes import Scene
from common import build_folder, locks, options, worker_tools, workers
from common.atomic import write_bytes, write_text
from common.audio import wav_bytes
from common.description import FEATURES, STREAM_COLUMNS
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import missed, per_hour
from common.labels import is_word
from common.shipped import detector_paths
from detector import settings
from detector.binding import Detector
from detector.settings import SENSITIVITIES, Preset, Settings
from firmware_gen import inputs
from frontend import binding
from training.data import recordings
from training.field import music

SEED = 20261129
PER_WORD = 40
"""Clips of each keyword in a scene, where there are as many."""
SNR_DB = 20.0, 10.0, 5.0
ROOM, NOISE, MUSIC, TWICE = "quiet room", "noise", "music", "said twice"
OWN_KINDS = ROOM, NOISE, MUSIC
"""Negatives that need no recordings of the user's."""
MUSIC_PIECES, MUSIC_SECONDS, MUSIC_SEED = 30, 30, 20261130
ROOM_SECONDS = 1800
FILE, TRUTH = "listen.json", "listen_truth.json"


class Heard(NamedTuple):
    """The best class of each hop and its probability in 255ths, uint8 [hops] each; and the samples."""

    winner: np.ndarray
    probability: np.ndarray
    samples: int


def hear(audio: np.ndarray) -> Heard:
    """One task: int16 [samples] from a reset, with a pause behind them."""
    engine = worker_tools.get()
    stream = binding.Stream()
    columns = [stream.feed(audio), stream.feed(continuous.pause(len(audio)))]
    winner, probability = engine.best(engine.stream(np.concatenate(columns)))
    return Heard(winner, probability, len(audio))


def hear_all(path: Path, sounds: Sequence[np.ndarray], columns: int = STREAM_COLUMNS) -> list[Heard]:
    """Several sounds, each from a reset, through the engine of a network file. columns: as of `continuous.load_engine`."""
    continuous.load_engine(path, columns)  # compiled once, and not by every worker at the same time
    tasks = [(sound,) for sound in sounds]
    tools = (worker_tools.prepare, (continuous.load_engine, path, columns))
    return workers.in_order(hear, tasks, "listening", "sample", None, *tools)


def chosen(recorded: clips.Recordings, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """PER_WORD clips of each keyword in a random order: int16 [n, 16000] and their classes [n]. UserError without any."""
    rng = np.random.default_rng(SEED)
    rows = [
        rng.permutation(np.flatnonzero(recorded.target == index))[:PER_WORD]
        for index, label in enumerate(labels)
        if is_word(label)
    ]
    order = rng.permutation(np.concatenate(rows)) if rows else np.zeros(0, int)
    if not len(order):
        raise UserError("no clip of any of the network's words in these data; name their folder with --data")
    return recorded.audio[order], recorded.target[order]


def all_scenes(
    audio: np.ndarray, words: np.ndarray, noises: Sequence[np.ndarray], pieces: Sequence[np.ndarray]
) -> list[Scene]:
    """The scenes of some clips; the last one has each word twice."""
    made = [scenes.compose(ROOM, None, audio, words, None, (SEED, 0), continuous.ROOM)]
    for number, (name, sounds) in enumerate(((NOISE, noises), (MUSIC, pieces))):
        made += [
            scenes.compose(name, sounds, audio, words, snr, (SEED, 1 + number, round(snr)), continuous.ROOM)
            for snr in SNR_DB
        ]
    return [*made, scenes.compose(TWICE, None, audio, words, None, (SEED, 9), continuous.ROOM, twice=True)]


def quiet_room() -> np.ndarray:
    """Half an hour of a quiet room, int16: other noise than that of pauses, of the same level."""
    peak, count = continuous.ROOM_PEAK, ROOM_SECONDS * FEATURES.sample_rate
    return np.random.default_rng(SEED).integers(-peak, peak, count, np.int16, endpoint=True)


def kinds(folder: Path | None, labels: Sequence[str]) -> dict[str, list[Path]]:
    """Name -> recordings of each kind: of the folders in `folder`, or of itself where it has none; without files named
    after a word of the network. Prints a line about these, and about sound files beside folders, which belong to no kind.

    UserError where a folder is called like a kind that is heard without recordings, holds nothing to be heard, or has a
    recording that cannot be read.
    """
    if folder is None:
        return {}
    if not folder.is_dir():
        raise UserError(f"{folder}: no folder of recordings; name one with --recordings (make: RECORDINGS=DIR)")
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    loose = recordings.files(folder, recordings.SUFFIXES | recordings.UNREAD, "*") if inner else []
    if loose:
        print(f"passed over {recordings.some(loose)} beside folders; put them into a folder, which is a kind")
    return {kind.absolute().name: sounds_of(kind, labels) for kind in inner or [folder]}


def sounds_of(kind: Path, labels: Sequence[str]) -> list[Path]:
    """The recordings below the folder of a kind. UserError as of `kinds`: an hour of listening would come before it."""
    if kind.absolute().name.casefold() in OWN_KINDS:
        raise UserError(f"{kind}: a kind of this name is heard in any case ({', '.join(OWN_KINDS)}); rename the folder")
    found = recordings.find_and_tell([kind], labels)
    headers = [recordings.header(path) for path in found.paths]
    if not any(samples * FEATURES.sample_rate >= rate for samples, rate in headers):
        raise UserError(f"{kind}: {recordings.nothing_in(found)}")
    return found.paths


def events_of(heard: Heard, preset: Preset, columns: int = STREAM_COLUMNS) -> list:
    """The detector's events over a sound from its reset."""
    return [event for _, event in Detector(preset, streaming.first_ms(columns)).feed(heard.winner, heard.probability)]


def twice(hits: Sequence[bool]) -> int:
    """Of words that are said twice, how many were hit twice; [2 n] in the order of the scene."""
    return int(np.reshape(hits, (-1, 2)).all(1).sum())


def keyword_rows(
    made: Sequence[Scene], heard: Sequence[Heard], preset: Preset, columns: int = STREAM_COLUMNS
) -> tuple[list[dict], dict]:
    """A row for each scene, and the figures of words that are said twice."""
    rows, pairs = [], {}
    for scene, sound in zip(made, heard):
        counts, hits = matching.match(events_of(sound, preset, columns), scene.said)
        if scene.background == TWICE:
            pairs = {"gap_ms": scenes.TWICE_MS, "pairs": counts.said // 2, "both": twice(hits), "repeats": counts.repeats}
        else:
            rows.append({"background": scene.background, "snr_db": scene.snr_db} | counts._asdict())
    return rows, pairs


def negative_rows(
    own: Sequence[tuple[str, Heard]],
    streams: dict[str, list[continuous.Scored]],
    preset: Preset,
    delay: int,
    columns: int = STREAM_COLUMNS,
) -> list[dict]:
    """Reports of each kind of negatives: sounds made or shipped here, and folders of recordings."""
    rows = []
    for kind in dict.fromkeys(name for name, _ in own):
        parts = [sound for name, sound in own if name == kind]
        hours = continuous.hours(parts)
        reports = sum(len(events_of(part, preset, columns)) for part in parts)
        rows.append({"kind": kind, "hours": hours, "reports": reports})
    for kind, stream in streams.items():
        hours = continuous.hours(stream)
        rows.append({"kind": kind, "hours": hours, "reports": len(continuous.reports(stream, preset, delay))})
    return rows


def table(found: dict) -> str:
    """What each sensitivity missed and falsely accepted."""
    lines = []
    for name, figures in found.items():
        lines.append(f"sensitivity {name}")
        lines.append(
            f"  {'background':<16}{'SNR, dB':>8}{'said':>6}  {'missed, %':<20}{'wrong':>6}{'repeats':>9}{'elsewhere':>11}"
        )
        for row in figures["keywords"]:
            level = "own" if row["snr_db"] is None else f"{row['snr_db']:g}"
            lines.append(
                f"  {row['background']:<16}{level:>8}{row['said']:>6}  {missed(row['said'], row['hit']):<20}"
                f"{row['wrong']:>6}{row['repeats']:>9}{row['elsewhere']:>11}"
            )
        pairs = figures["twice"]
        share = 100 * pairs["both"] / pairs["pairs"]
        lines.append(
            f"  said twice, {pairs['gap_ms']} ms apart: {share:.1f} % of {pairs['pairs']} reported twice, "
            f"{pairs['repeats']} more often"
        )
        lines.append(f"  {'no keyword':<24}{'hours':>6}{'reports':>9}  an hour")
        for row in figures["false_accepts"]:
            lines.append(
                f"  {row['kind']:<24}{row['hours']:>6.2f}{row['reports']:>9}  {per_hour(row['reports'], row['hours'])}"
            )
    return "\n".join(lines)


def truth(made: Sequence[Scene], labels: Sequence[str]) -> dict:
    """What is said in the scenes, JSON-ready: samples from the beginning of each."""
    return {
        "sample_rate": FEATURES.sample_rate,
        "seed": SEED,
        "tolerance_ms": matching.TOLERANCE_MS,
        "scenes": [
            {
                "file": file_name(scene),
                "background": scene.background,
                "snr_db": scene.snr_db,
                "samples": len(scene.audio),
                "said": [{"word": labels[word.word], "start": word.start, "end": word.end} for word in scene.said],
            }
            for scene in made
        ],
    }


def write_wavs(folder: Path, made: Sequence[Scene]) -> None:
    """Write the scenes to a folder: 16 kHz, mono, 16 bits."""
    for scene in made:
        write_bytes(folder / file_name(scene), wav_bytes(scene.audio))


def file_name(scene: Scene) -> str:
    """Such as music_10_db.wav."""
    level = "" if scene.snr_db is None else f"_{scene.snr_db:g}_db"
    return f"{scene.background.replace(' ', '_')}{level}.wav"


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m benchmarks.listen_test", __doc__)
    options.add_tau(parser)
    options.add_build(parser)
    options.add_data(parser, "folder that holds both official archives, or one of them, or <label>/*.wav")
    parser.add_argument(
        "--split", choices=("validation", "testing"), help="which clips are said: validation where there is that split"
    )
    parser.add_argument(
        "--recordings", type=Path, metavar="DIR", help="recordings in which no keyword is said: a folder for each kind"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the scenes there as wav files")
    parser.add_argument("--record", action="store_true", help="keep the figures with the shipped checkpoint")
    parser.add_argument(
        "--columns",
        type=int,
        default=STREAM_COLUMNS,
        help=f"KWS_STREAM_COLUMNS, of the keywords and the sounds that are shipped (default {STREAM_COLUMNS})",
    )
    return parser.parse_args(argv)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    build, tau = options.build_and_tau(args)
    if args.data is None:
        raise UserError("no audio named: give --data DIR (make listen-test DATA=DIR), or set GSC_ROOT")
    if not 1 <= args.columns <= FEATURES.frames:
        raise UserError(f"--columns {args.columns}: 1 to {FEATURES.frames} are wanted ({STREAM_COLUMNS})")
    if args.columns != STREAM_COLUMNS and (args.recordings or args.record):
        raise UserError("--columns shows a change and keeps nothing; leave out --recordings and --record")
    if args.out:
        locks.check_folder(args.out)
    with locks.rewriting(build):
        measure(build, tau, args)


def measure(build: Path, tau: float, args: argparse.Namespace) -> None:
    """Measure a build, show and write its figures."""
    conversion = build_folder.load(build)
    path, labels = inputs.needed_native_file(build, conversion), conversion["labels"]
    decided = inputs.detector_settings(build, conversion)
    kept = shipped_with(tau, conversion, decided) if args.record else None
    where = kinds(args.recordings, labels)
    split = args.split or ("validation" if clips.archives(args.data)[0] else None)
    (part,) = clips.choose(args.data, split, labels)
    background = clips.background(args.data)
    audio, words = chosen(clips.decode([part], labels, conversion["features"]["clip_samples"]), labels)
    pieces = music.pieces(MUSIC_PIECES, MUSIC_SECONDS, MUSIC_SEED)
    made = all_scenes(audio, words, background.noises, pieces)
    if args.out:
        write_wavs(args.out, made)
    own = [(ROOM, quiet_room()), *((NOISE, noise) for noise in background.noises), *((MUSIC, piece) for piece in pieces)]
    heard = hear_all(path, [*(scene.audio for scene in made), *(sound for _, sound in own)], args.columns)
    of_own = [(name, sound) for (name, _), sound in zip(own, heard[len(made) :])]
    streams = {name: continuous.listen(path, paths) for name, paths in where.items()}
    found, delay = {}, conversion["native"]["delay_columns"]
    for name in SENSITIVITIES:
        preset = decided.preset(name)
        keywords, pairs = keyword_rows(made, heard, preset, args.columns)
        negatives = negative_rows(of_own, streams, preset, delay, args.columns)
        found[name] = {"keywords": keywords, "twice": pairs, "false_accepts": negatives}
    print(f"{build}: {len(words)} keywords of {part.origin}; noise: {background.origin}")
    print(table(found))
    if args.columns != STREAM_COLUMNS:
        return
    measured = {
        "date": datetime.date.today().isoformat(),
        "protocol": part.origin,
        "presets": found,
    }
    write_text(build / FILE, json.dumps(measured | {"native": decided.native}, indent=1) + "\n")
    write_text(build / TRUTH, json.dumps(truth(made, labels)) + "\n")
    print(build / FILE)
    if kept:
        settings.save(kept, dataclasses.replace(settings.load(kept), measured=measured))
        print(kept)


def shipped_with(tau: float, conversion: dict, decided: Settings) -> Path:
    """The file of a shipped checkpoint with these thresholds; UserError where they are others."""
    paths = detector_paths(tau)
    for path, shipped in ((path, settings.load(path)) for path in paths if path.is_file()):
        if of_this_detector(made_by(conversion["native"]["sha256"], decided), shipped.native, shipped):
            return path
    raise UserError(
        f"--record: the build's thresholds are not those of {', '.join(path.name for path in paths)}; "
        f"run `make quantize TAU={tau:g} DETECTOR={paths[0]}`"
    )
