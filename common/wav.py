"""Parse a RIFF/WAVE file, also one that was written to a pipe: its format and samples.

Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991); WAVE_FORMAT_EXTENSIBLE as in
Microsoft's ksmedia.h.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

PCM, EXTENSIBLE = 1, 0xFFFE
ENCODINGS = {PCM: "PCM", 3: "float", 6: "A-law", 7: "µ-law"}
SUBFORMAT = bytes.fromhex("0000 0000 1000 8000 00aa 0038 9b71")
"""The bytes after the encoding in the GUID of an extensible format."""
UNKNOWN_LENGTH = 0x7FFF_F000
"""Chunk sizes from here on are placeholders of programs that write to a pipe and cannot fill in the size afterwards: ffmpeg
writes 2^32 - 1, others about 2^31. The samples then extend to the end of the file."""


class Sound(NamedTuple):
    """The content of a wav file: format, samples as bytes, and the number of bytes that its header states but it lacks."""

    encoding: str
    rate: int  # Hz
    channels: int
    bits: int
    data: bytes
    missing: int


def parse(content: bytes) -> Sound:
    """The bytes of a wav file -> its format and samples. ValueError, with the reason, for anything else."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError("ends within its header" if len(content) < 12 else "does not begin with RIFF and WAVE")
    shape, start = None, 12
    while start + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, start)
        body = content[start + 8 : start + 8 + size]
        if name == b"data":
            if shape is None:
                raise ValueError("its samples come before their format")
            return Sound(*shape, body, 0 if size >= UNKNOWN_LENGTH else size - len(body))
        if len(body) < size:
            raise ValueError(f"its chunk {name.decode('latin-1')!r} says {size} bytes, but {len(body)} are there")
        if name == b"fmt ":
            shape = format_of(body)
        start += 8 + size + size % 2
    raise ValueError("no samples in it" if shape else "no format in it")


def missing_bytes(path: Path) -> int:
    """How many bytes of samples the header of a wav file states but the file lacks; 0 where it is none, or states no length.
    Only headers of chunks are read, however long the file is."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            if name == b"data":
                left = path.stat().st_size - file.tell()
                return 0 if size >= UNKNOWN_LENGTH else max(0, size - left)
            file.seek(size + size % 2, 1)
    return 0


def format_of(body: bytes) -> tuple[str, int, int, int]:
    """A format chunk -> encoding, rate in Hz, channels, bits. ValueError where it is none."""
    if len(body) < 16:
        raise ValueError(f"its format takes {len(body)} bytes, not 16 or more")
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if code == EXTENSIBLE and body[26:40] == SUBFORMAT:
        (code,) = struct.unpack_from("<H", body, 24)
    if not (channels and rate and bits):
        raise ValueError(f"its format says {channels} channels, {rate} Hz and {bits} bits")
    return ENCODINGS.get(code, f"encoding {code}"), rate, channels, bits
