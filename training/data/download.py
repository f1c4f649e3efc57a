"""Fetch the official Speech Commands archives: resumable, checked, unpacked safely.

python -m training.download --data DIR --ver 2
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import os
import re
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from tqdm import tqdm

from common import options
from common.atomic import naming, write_text
from common.errors import OptionParser, UserError, one_line_errors
from training.data.dataset import archive_names, find_archive

BASE_URL = "https://storage.googleapis.com/download.tensorflow.org/data"
BASE_URL_VARIABLE = "SPEECH_COMMANDS_URL"
"""Environment variable that names a mirror: the URL of the folder that holds the archives."""
SHA256 = {
    "speech_commands_v0.01": "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
    "speech_commands_v0.02": "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    "speech_commands_test_set_v0.02": "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
}
"""As published by torchaudio and TensorFlow Datasets; that of the test set of v0.01 is not published."""
IMPOSSIBLE = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
"""Errors of a member that no disk can store: its name is too long, or its path is that of another file or folder."""
BLOCK = 1 << 18  # bytes
TIMEOUT = 60  # seconds without a byte


def download(data: Path, ver: int) -> None:
    """Bring the training and the test-set archive of a version into `data`, unpacked.

    An archive that is unpacked there already is kept. An interrupted download leaves `<archive>.part`, which the next call
    continues. Raises UserError where the server cannot be reached, or the archive is damaged, unsafe or another one.
    """
    data = Path(data)
    for name, test_set in zip(archive_names(ver), (False, True)):
        present = find_archive(data, ver, test_set)
        if present:
            print(f"{present}: already there")
        else:
            obtain(data, name, ver, test_set)


def obtain(data: Path, name: str, ver: int, test_set: bool) -> None:
    """Download and unpack one archive; it appears in `data` whole or not at all."""
    folder, archive = data / name, data / f"{name}.tar.gz"
    if folder.exists():
        raise UserError(f"{folder}: not a whole copy of the data set; remove it and download again")
    data.mkdir(parents=True, exist_ok=True)
    url = f"{os.environ.get(BASE_URL_VARIABLE) or BASE_URL}/{archive.name}"
    part = Path(f"{archive}.part")
    source = archive if archive.is_file() else part
    if source == part:
        fetch(url, part)
    unpacking = data / f".{name}.unpacking"
    remove(unpacking)
    try:
        try:
            digest = unpack(source, unpacking)
            unpacked = find_archive(unpacking, ver, test_set)
            check_content(name, digest, unpacked is not None)
            assert unpacked
        except UserError as error:
            if source == part:
                part.unlink()
                raise UserError(f"{url}: {error}; what was received is removed, download it again") from None
            raise UserError(f"{archive}: {error}; remove it and download it again") from None
        check_record(Path(f"{archive}.sha256"), archive.name, digest)
        os.replace(source, archive)
        os.replace(unpacked, folder)
    finally:
        remove(unpacking)
    print(f"{folder}: complete (SHA-256 of {archive.name}: {digest})")


def remove(path: Path) -> None:
    """Remove the folder or file at `path`, where there is one."""
    shutil.rmtree(path, ignore_errors=True)
    if not path.is_dir():
        path.unlink(missing_ok=True)


def fetch(url: str, part: Path) -> None:
    """Download `url` into `part`, continuing a partial one; repeated as long as each connection brings more bytes.

    Raises UserError where the server cannot be reached or the connection breaks for good;
    `part` then keeps what was received.
    """
    while True:
        before = part.stat().st_size if part.is_file() else 0
        headers = {"Range": f"bytes={before}-"} if before else {}
        try:
            response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != 416:
                raise unreachable(url, part, f"HTTP {error.code} {error.reason}") from None
            if total_length(error.headers) == before:
                return
            part.unlink()  # longer than the file: it is of another archive
            continue
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise unreachable(url, part, getattr(error, "reason", error)) from None
        with response:
            total = receive(response, part, before)
        now = part.stat().st_size
        if total is None or now >= total:
            return
        if now <= before:
            raise UserError(f"{url}: the connection broke at {now} of {total} bytes; run the same command again to continue")
        print(f"the connection broke at {now} of {total} bytes; continuing")


def unreachable(url: str, part: Path, reason: object) -> UserError:
    """The error for a server that does not answer or does not have the file."""
    return UserError(
        f"{url}: {reason}; try again later, or fetch {part.stem} by hand into {part.parent}, "
        "or name an existing copy of the data set with --data"
    )


def total_length(headers: Message) -> int | None:
    """Length of the whole file by Content-Range or else Content-Length, in bytes; None where unknown, or no number."""
    match = re.fullmatch(r"bytes .*/(\d+)", headers.get("Content-Range", ""), re.ASCII)
    length = match[1] if match else headers.get("Content-Length", "")
    return int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None


def receive(response: http.client.HTTPResponse, part: Path, before: int) -> int | None:
    """Append the response to the `before` bytes of `part`, or begin anew where the server sends the whole file.

    Returns the length of the whole file in bytes, None where the server does not tell.
    """
    total = total_length(response.headers)
    continued = response.status == 206
    if continued and not response.headers.get("Content-Range", "").startswith(f"bytes {before}-"):
        raise UserError(f"{response.url}: the server sent another range than asked for; remove {part} and download again")
    size = f" ({total / 1e6:.0f} MB)" if total else ""
    print(f"{'continuing' if continued else 'downloading'} {response.url}{size}", flush=True)
    with (
        naming(part),
        open(part, "ab" if continued else "wb") as file,
        tqdm(
            total=total,
            initial=before if continued else 0,
            desc=part.stem,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,
        ) as bar,
    ):
        for block in blocks(response):
            file.write(block)
            bar.update(len(block))
    return total


def blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body in blocks. A broken connection ends it without an error: the caller compares lengths."""
    while True:
        try:
            block = response.read(BLOCK)
        except (OSError, http.client.HTTPException):
            return
        if not block:
            return
        yield block


class Hashed:
    """A file being read from beginning to end, with progress, and the SHA-256 of what was read."""

    def __init__(self, file: BinaryIO, bar: tqdm):
        self.file, self.bar, self.sha256 = file, bar, hashlib.sha256()

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        block = self.file.read(size)
        self.sha256.update(block)
        self.bar.update(len(block))
        return block


def unpack(archive: Path, folder: Path) -> str:
    """Unpack a .tar.gz into the new `folder`; returns the archive's SHA-256 in hex.

    It is read to its last byte, so that gzip's checksum is verified. Raises UserError
    (without the archive's name) where it is damaged or a member could leave the folder.
    """
    try:
        with (
            open(archive, "rb") as file,
            tqdm(
                total=archive.stat().st_size, desc="unpacking", unit="B", unit_scale=True, leave=False, disable=None
            ) as bar,
        ):
            hashed = Hashed(file, bar)
            with gzip.GzipFile(fileobj=cast(BinaryIO, hashed)) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
                for member in tar:
                    unpack_member(tar, member, folder)
                while plain.read(BLOCK):
                    pass
            while hashed.read(BLOCK):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise UserError(f"not a whole .tar.gz ({reason})") from None
    return hashed.sha256.hexdigest()


def unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one member below `folder`; UserError unless it is a plain file or folder that stays there.

    Only contents are taken over, never modes, owners or links: as `folder` holds no link, a
    relative name without `..` cannot leave it.
    """
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise UserError(f"unsafe: the member {member.name!r} would leave the folder")
    if not (member.isreg() or member.isdir()):
        raise UserError(f"unsafe: the member {member.name!r} is a link or a device")
    if "\0" in member.name or (member.isreg() and not name.parts):
        raise UserError(f"unsafe: the member {member.name!r} has no name that a file can have")
    path = folder / name
    try:
        (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
        if member.isreg():
            with naming(path), open(path, "wb") as file:
                content = tar.extractfile(member)
                assert content  # as the member is a regular file
                shutil.copyfileobj(content, file)
    except OSError as error:
        if error.errno not in IMPOSSIBLE:
            raise
        raise UserError(f"unsafe: the member {member.name[:99]!r} cannot be written ({error.strerror})") from None


def check_content(name: str, digest: str, has_layout: bool) -> None:
    """UserError where an archive is not the one that was published."""
    if digest != SHA256.get(name, digest):
        raise UserError(f"its SHA-256 is {digest}, but that of the official archive is {SHA256[name]}")
    if not has_layout:
        raise UserError("does not hold Speech Commands in the official layout")


def check_record(record: Path, name: str, digest: str) -> None:
    """Compare with the SHA-256 of an earlier download, or record it (as `sha256sum -c` reads it)."""
    line = f"{digest}  {name}\n"
    if record.is_file() and record.read_bytes() != line.encode():
        raise UserError(
            f"{record}: {name} was another file when it was fetched before (its SHA-256 is {digest} now); "
            "remove the record to accept the change"
        )
    write_text(record, line)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser(
        "python -m training.download",
        __doc__,
        epilog=f"environment: {BASE_URL_VARIABLE} names a mirror (default {BASE_URL})",
    )
    options.add_archives(parser, "folder to hold the archives and their contents")
    args = parser.parse_args(argv)
    download(args.data, args.ver)
