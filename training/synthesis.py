"""Words from a speech synthesiser, for training: hundreds of other words, and the keywords too.

    python -m training.synthesis --out build/synthetic
    python -m training.synthesis --others 1000 --keywords 300 --seed 1 --out build/few

espeak-ng (Debian's name) speaks each word in one of its English accents and voices; the recording is made
to differ as people and rooms do: length of the vocal tract, speed, pitch, echo, microphone, level, hiss.
Keywords are spoken as well, so that a network cannot take "synthetic" for "unknown". Every clip is drawn
from its own seed: the same options give the same clips, however many processes make them.
"""
from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training import workers
from training.atomic import replacing, write_text
from training.description import FEATURES, KEYWORDS
from training.errors import UserError, one_line_errors

SYNTHESISER = "espeak-ng"
WORDS = Path(__file__).with_name("words.txt")
DATASET_WORDS = ("backward bed bird cat dog eight five follow forward four happy house learn marvin nine one seven "
                 "sheila six three tree two visual wow zero").split()
"""The other words of Speech Commands: drawn DATASET_SHARE times as often as another word."""
DATASET_SHARE = 4
ACCENTS = ("en-gb", "en-us", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029",
           "en-us-nyc")
VOICES = ("f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo "
          "Jacky Lee Marco Mario Michael Mike Nguyen adam anika antonio aunty belinda benjamin boris caleb david ed "
          "edward grandma grandpa iven iven2 john klatt klatt2 klatt4 linda max michel miguel norbert pablo paul pedro "
          "quincy rob robert sandro shelby steph steph2 steph3 travis victor zac").split()
WORDS_A_MINUTE = 110, 230
PITCH = 15, 85  # of espeak-ng's 0 to 99
TRACT = 0.84, 1.16  # formants, pitch and speed are scaled together
RATE = FEATURES.sample_rate
CLIP = FEATURES.clip_samples
CHUNK = 100  # clips a process makes at a time
ARRAY, LIST = "audio.npy", "clips.json"


def other_words() -> list[str]:
    """The words of words.txt, sorted. None is a keyword."""
    lines = WORDS.read_text().splitlines()
    return sorted({word for line in lines if not line.startswith("#") for word in line.split()})


def plan(others: int, keywords: int, seed: int) -> list[str]:
    """The word of each clip: keywords in turn, then other words, each drawn by its share."""
    words = other_words()
    share = np.array([DATASET_SHARE if word in DATASET_WORDS else 1.0 for word in words])
    drawn = np.random.default_rng(seed).choice(len(words), others, p=share / share.sum())
    return [KEYWORDS[index % len(KEYWORDS)] for index in range(keywords)] + [words[index] for index in drawn]


def speak(word: str, voice: str, speed: int, pitch: int) -> tuple[np.ndarray, int]:
    """Samples of a word, float64 in +-1, and their rate in Hz. Raises UserError where espeak-ng fails."""
    command = [SYNTHESISER, "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    done = subprocess.run(command, capture_output=True)
    if done.returncode or len(done.stdout) <= 44:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"{' '.join(command)}: {reason[-1] if reason else 'no sound'}; is {SYNTHESISER} complete?")
    with wave.open(io.BytesIO(done.stdout)) as wav:  # its header gives no true length: it was written to a pipe
        rate = wav.getframerate()
    samples = np.frombuffer(done.stdout[44:len(done.stdout) // 2 * 2], "<i2")
    return samples / 32768, rate


def resample(samples: np.ndarray, ratio: float) -> np.ndarray:
    """`ratio` times as many samples of the same sound, by way of its spectrum."""
    length = max(2, round(len(samples) * ratio))
    spectrum = np.fft.rfft(samples)
    resized = np.zeros(length // 2 + 1, complex)
    kept = min(len(spectrum), len(resized))
    resized[:kept] = spectrum[:kept]
    return np.fft.irfft(resized, length) * ratio


def trim(samples: np.ndarray, threshold: float = 0.02) -> np.ndarray:
    """Without what is quieter than `threshold` of the peak at either end."""
    loud = np.flatnonzero(np.abs(samples) > threshold * np.abs(samples).max())
    return samples[loud[0]:loud[-1] + 1]


def echo(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In a small room: decaying noise of 50 to 400 ms behind the direct sound, of 2 to 50 % of its energy."""
    decay = rng.uniform(0.05, 0.4)  # seconds to -60 dB
    time = np.arange(1, round(decay * RATE)) / RATE
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / decay)
    tail *= np.sqrt(rng.uniform(0.02, 0.5) / np.sum(tail**2))
    return convolve(samples, np.concatenate([[1.0], tail]))


def convolve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Full linear convolution."""
    length = len(a) + len(b) - 1
    return np.fft.irfft(np.fft.rfft(a, length) * np.fft.rfft(b, length), length)


def microphone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A gain that wanders by some 4 dB over frequency, and falls below 60 to 300 Hz and above 3 to 8 kHz."""
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    knots = np.geomspace(100, 8000, 9)
    gain = 10 ** (np.interp(np.log(frequency + 1), np.log(knots), rng.normal(0, 4, len(knots))) / 20)
    low, high = rng.uniform(60, 300), rng.uniform(3000, 8000)
    gain /= np.sqrt(1 + (low / (frequency + 1)) ** 4) * np.sqrt(1 + (frequency / high) ** 6)
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples))


def hiss(rng: np.random.Generator) -> np.ndarray:
    """A second of noise whose power falls with frequency to the power of 0 to 2; its RMS is 1."""
    frequency = np.fft.rfftfreq(CLIP, 1 / RATE) + 20
    spectrum = np.fft.rfft(rng.normal(size=CLIP)) * frequency ** (-rng.uniform(0, 1))
    noise = np.fft.irfft(spectrum, CLIP)
    return noise / noise.std()


def clip(word: str, seed: Sequence[int]) -> np.ndarray:
    """One second with a spoken word in it, int16 [16000]."""
    rng = np.random.default_rng(seed)
    voice = f"{ACCENTS[rng.integers(len(ACCENTS))]}+{VOICES[rng.integers(len(VOICES))]}"
    samples, rate = speak(word, voice, int(rng.integers(*WORDS_A_MINUTE)), int(rng.integers(*PITCH)))
    spoken = trim(resample(samples, RATE / rate * rng.uniform(*TRACT)))[:CLIP]
    whole = np.zeros(CLIP)
    start = rng.integers(CLIP - len(spoken) + 1)
    if rng.random() < 0.7:
        spoken = echo(spoken, rng)[:CLIP - start]
    whole[start:start + len(spoken)] = spoken
    whole = microphone(whole, rng)
    level = np.exp(rng.uniform(np.log(0.06), 0))
    floor = np.exp(rng.uniform(np.log(1e-4), np.log(0.01)))
    whole = whole * (level / np.abs(whole).max()) + floor * hiss(rng)
    return np.rint(32767 * whole.clip(-1, 1)).astype(np.int16)


def chunk(words: Sequence[str], seed: int, first: int) -> np.ndarray:
    """Clips of `words`, int16 [words, 16000], the first of which is clip number `first` of the whole."""
    return np.stack([clip(word, (seed, first + index)) for index, word in enumerate(words)])


def generate(words: Sequence[str], seed: int, out: Path, processes: int | None = None) -> None:
    """Speak `words` into the folder `out`: audio.npy, int16 [words, 16000], and the list of words beside it."""
    if shutil.which(SYNTHESISER) is None:
        raise UserError(f"{SYNTHESISER} is not installed; install it (Debian: apt-get install {SYNTHESISER})")
    out.mkdir(parents=True, exist_ok=True)
    parts = [(list(words[start:start + CHUNK]), seed, start) for start in range(0, len(words), CHUNK)]
    with replacing(out / ARRAY) as temporary:
        audio = np.lib.format.open_memmap(temporary, "w+", np.int16, (len(words), CLIP))
        with tqdm(total=len(words), desc="speaking", unit="clip", disable=None) as bar:
            for index, made in workers.run(chunk, parts, processes):
                audio[index * CHUNK:index * CHUNK + len(made)] = made
                bar.update(len(made))
        audio.flush()
    write_text(out / LIST, json.dumps({"seed": seed, "words": list(words)}) + "\n")


def load(folder: Path) -> tuple[np.ndarray, list[str]]:
    """The clips of a folder that `generate` wrote, int16 [clips, 16000] (mapped), and their words."""
    try:
        words = json.loads((folder / LIST).read_text())["words"]
        audio = np.load(folder / ARRAY, mmap_mode="r")
    except (OSError, ValueError, KeyError):
        raise UserError(f"{folder}: no synthetic words here; make them with `python -m training.synthesis --out "
                        f"{folder}` (needs {SYNTHESISER})") from None
    if audio.shape != (len(words), CLIP):
        raise UserError(f"{folder}: {len(audio)} clips but {len(words)} words; make them again with "
                        f"`python -m training.synthesis --out {folder}`")
    return audio, words


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.synthesis", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/synthetic"), help="default build/synthetic")
    parser.add_argument("--others", type=int, default=9000, help="clips of other words (default 9000)")
    parser.add_argument("--keywords", type=int, default=3000, help="clips of keywords (default 3000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    args = parser.parse_args(argv)
    if min(args.others, args.keywords, args.processes) < 1 or args.seed < 0:
        raise UserError("--others, --keywords and --processes must be at least 1, --seed at least 0")
    generate(plan(args.others, args.keywords, args.seed), args.seed, args.out, args.processes)
    print(f"{args.out}: {args.keywords} clips of {len(KEYWORDS)} keywords, {args.others} of other words")


if __name__ == "__main__":
    sys.exit(main())
