"""training.download against a server of the test's own on 127.0.0.1."""

from __future__ import annotations

import contextlib
import http.server
import io
import resource
import tarfile
import threading
from pathlib import Path

import pytest

from training.data import dataset, download

TRAINING, TEST_SET = dataset.archive_names(2)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; `server.cuts` ends the body of each request early, in turn. `server.length`: what it says is
    the body's, in place of the truth."""

    def do_GET(self):
        body = self.server.files.get(self.path.lstrip("/"))
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path.lstrip("/"), wanted))
        if body is None:
            self.send_error(404)
            return
        start = int(wanted[len("bytes=") : -1]) if wanted and self.server.ranges else 0
        if start and start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", self.server.length or str(len(body) - start))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else None
        self.wfile.write(body[start:] if cut is None else body[start : start + cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.requests, server.cuts, server.ranges, server.length = {}, [], [], True, None
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv(download.BASE_URL_VARIABLE, f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(download, "SHA256", {})
        yield server
        server.shutdown()
        thread.join()


def tar_gz(add) -> bytes:
    """A .tar.gz of what `add(tar)` puts into it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        add(tar)
    return file.getvalue()


def archive_of(folder: Path) -> bytes:
    """The official form: members named from the root of the archive."""
    return tar_gz(lambda tar: tar.add(folder, "."))


@pytest.fixture(scope="session")
def archives(tiny_speech_commands) -> dict[str, bytes]:
    """Both archives of the tiny data set, by the names they have on the server."""
    return {f"{name}.tar.gz": archive_of(tiny_speech_commands / name) for name in (TRAINING, TEST_SET)}


def with_member(name: str, **fields) -> bytes:
    """An archive with one harmless member and one that has the name and fields given."""

    def add(tar: tarfile.TarFile) -> None:
        for info in (tarfile.TarInfo("validation_list.txt"), tarfile.TarInfo(name)):
            for field, value in (fields if info.name == name else {}).items():
                setattr(info, field, value)
            tar.addfile(info)

    return tar_gz(add)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@contextlib.contextmanager
def full_disk(limit: int):
    """No file may grow beyond `limit` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fetch_all(data: Path) -> int:
    return download.main(["--data", str(data), "--ver", "2"])


def same_files(ours: Path, theirs: Path) -> bool:
    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return contents(ours) == contents(theirs)


def test_both_archives_are_unpacked_as_they_were_packed(server, archives, tmp_path, tiny_speech_commands):
    server.files = archives
    assert fetch_all(tmp_path / "new") == 0
    for name in (TRAINING, TEST_SET):
        assert same_files(tmp_path / "new" / name, tiny_speech_commands / name)
    assert names(tmp_path / "new") == {
        f"{name}{end}" for name in (TRAINING, TEST_SET) for end in ("", ".tar.gz", ".tar.gz.sha256")
    }


def test_what_is_present_is_left_alone_with_a_line_each(server, tiny_speech_commands, capsys):
    before = names(tiny_speech_commands)
    assert fetch_all(tiny_speech_commands) == 0
    assert [line.endswith("already there") for line in capsys.readouterr().out.splitlines()] == [True, True]
    assert server.requests == [] and names(tiny_speech_commands) == before


def test_an_interrupted_download_is_continued_where_it_stopped(server, archives, tmp_path):
    server.files = archives
    name = f"{TRAINING}.tar.gz"
    (tmp_path / f"{name}.part").write_bytes(archives[name][:1000])
    assert fetch_all(tmp_path) == 0
    assert server.requests[0] == (name, "bytes=1000-")
    assert (tmp_path / name).read_bytes() == archives[name]


def test_a_broken_connection_is_continued_within_the_run(server, archives, tmp_path):
    server.files, server.cuts = archives, [5000, 3000]
    assert fetch_all(tmp_path) == 0
    assert [wanted for _, wanted in server.requests[:3]] == [None, "bytes=5000-", "bytes=8000-"]


def test_a_server_without_ranges_sends_it_all_anew(server, archives, tmp_path):
    server.files, server.ranges = archives, False
    name = f"{TRAINING}.tar.gz"
    (tmp_path / f"{name}.part").write_bytes(b"x" * 1000)
    assert fetch_all(tmp_path) == 0
    assert (tmp_path / name).read_bytes() == archives[name]


def test_a_part_that_is_whole_already_is_not_fetched_again(server, archives, tmp_path):
    server.files = archives
    name = f"{TRAINING}.tar.gz"
    (tmp_path / f"{name}.part").write_bytes(archives[name])
    assert fetch_all(tmp_path) == 0
    assert [path for path, _ in server.requests] == [name, f"{TEST_SET}.tar.gz"]


def test_a_part_longer_than_the_file_is_begun_anew(server, archives, tmp_path):
    server.files = archives
    name = f"{TRAINING}.tar.gz"
    (tmp_path / f"{name}.part").write_bytes(archives[name] + b"more")
    assert fetch_all(tmp_path) == 0
    assert (tmp_path / name).read_bytes() == archives[name]


def test_a_connection_that_breaks_for_good_keeps_the_part(server, archives, tmp_path, failure):
    server.files, server.cuts = archives, [5000, 0]
    line = failure(download.main, "--data", tmp_path)
    assert f"5000 of {len(archives[f'{TRAINING}.tar.gz'])} bytes" in line and "run the same command again" in line
    assert names(tmp_path) == {f"{TRAINING}.tar.gz.part"}


@pytest.mark.parametrize(
    "body, reason",
    [
        (b"<html>Please log in to this network</html>", "not a whole .tar.gz"),
        (b"", "not a whole .tar.gz"),
        (tar_gz(lambda tar: tar.addfile(tarfile.TarInfo("holiday.txt"))), "official layout"),
    ],
    ids=["a page", "nothing", "another archive"],
)
def test_other_content_is_refused_and_removed(server, tmp_path, failure, body, reason):
    server.files = {f"{TRAINING}.tar.gz": body}
    line = failure(download.main, "--data", tmp_path)
    assert reason in line and f"{TRAINING}.tar.gz" in line and names(tmp_path) == set()


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:-1],
        lambda body: body[: len(body) // 2],
        lambda body: body[:-8] + bytes([body[-8] ^ 1]) + body[-7:],
        lambda body: body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 64]) + body[len(body) // 2 + 1 :],
    ],
    ids=["its last byte is missing", "half is missing", "its checksum differs", "one bit differs"],
)
def test_a_damaged_archive_is_refused_and_removed(server, archives, tmp_path, failure, damage):
    server.files = {name: damage(body) for name, body in archives.items()}
    assert "not a whole .tar.gz" in failure(download.main, "--data", tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    "name, fields",
    [
        ("../outside.txt", {}),
        ("left/../../outside.txt", {}),
        ("/outside.txt", {}),
        ("left/link.wav", {"type": tarfile.SYMTYPE, "linkname": "../../outside.txt"}),
        ("left/inner.wav", {"type": tarfile.SYMTYPE, "linkname": "right.wav"}),
        ("left/hard.wav", {"type": tarfile.LNKTYPE, "linkname": "../outside.txt"}),
        ("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
        ("pipe", {"type": tarfile.FIFOTYPE}),
        (".", {}),
        ("./.", {}),
        ("validation_list.txt/inner.wav", {}),
        ("x" * 300, {}),
        ("nul", {"pax_headers": {"path": "n\0l"}}),
    ],
    ids=[
        "parent",
        "inner parent",
        "absolute",
        "symlink out",
        "symlink",
        "hard link",
        "device",
        "pipe",
        "the folder itself",
        "the folder again",
        "a file in a file",
        "too long a name",
        "no name",
    ],
)
def test_a_member_that_could_leave_the_folder_is_refused_by_name(server, tmp_path, failure, name, fields):
    server.files = {f"{TRAINING}.tar.gz": with_member(name, **fields)}
    data = tmp_path / "data"
    line = failure(download.main, "--data", data)
    assert "unsafe" in line and repr(fields.get("pax_headers", {}).get("path", name)[:99]) in line
    assert names(data) == set() and names(tmp_path) == {"data"}


def test_a_member_named_as_the_folder_blocks_no_later_download(server, archives, tmp_path, failure):
    server.files = archives | {f"{TRAINING}.tar.gz": tar_gz(lambda tar: tar.addfile(tarfile.TarInfo(".")))}
    assert "unsafe" in failure(download.main, "--data", tmp_path)
    assert names(tmp_path) == set()
    (tmp_path / f".{TRAINING}.unpacking").touch()  # as it was left once
    server.files = archives
    assert fetch_all(tmp_path) == 0 and not (tmp_path / f".{TRAINING}.unpacking").exists()


@pytest.mark.parametrize("length", ["many", "-5", " ", "\u00b2", "9" * 5000])
def test_a_length_that_is_no_number_is_taken_as_unknown(server, archives, tmp_path, length):
    server.files, server.length = archives, length
    assert fetch_all(tmp_path) == 0
    assert (tmp_path / f"{TRAINING}.tar.gz").read_bytes() == archives[f"{TRAINING}.tar.gz"]


def test_modes_of_members_are_not_taken_over(server, archives, tmp_path):
    def add(tar):
        for name in ("validation_list.txt", "left/a.wav"):
            info = tarfile.TarInfo(name)
            info.mode = 0o6777
            tar.addfile(info)

    server.files = {**archives, f"{TRAINING}.tar.gz": tar_gz(add)}
    assert fetch_all(tmp_path) == 0
    assert not (tmp_path / TRAINING / "left" / "a.wav").stat().st_mode & 0o7111


def test_an_archive_that_is_not_the_published_one_is_refused(server, archives, tmp_path, failure, monkeypatch):
    server.files = archives
    monkeypatch.setattr(download, "SHA256", {TRAINING: "0" * 64})
    assert f"official archive is {'0' * 64}" in failure(download.main, "--data", tmp_path)
    assert names(tmp_path) == set()


def test_an_archive_that_changed_since_the_last_time_is_reported(server, archives, tmp_path, failure):
    server.files = archives
    record = tmp_path / f"{TRAINING}.tar.gz.sha256"
    record.write_text(f"{'0' * 64}  {TRAINING}.tar.gz\n")
    line = failure(download.main, "--data", tmp_path)
    assert str(record) in line and "another file" in line
    assert names(tmp_path) == {record.name, f"{TRAINING}.tar.gz.part"}
    record.unlink()
    assert fetch_all(tmp_path) == 0


def test_an_archive_fetched_by_hand_needs_no_server(archives, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SHA256", {})
    monkeypatch.setenv(download.BASE_URL_VARIABLE, "http://127.0.0.1:9")
    for name, body in archives.items():
        (tmp_path / name).write_bytes(body)
    assert fetch_all(tmp_path) == 0
    assert dataset.find_archive(tmp_path, 2, test_set=True) == tmp_path / TEST_SET


def test_a_damaged_archive_fetched_by_hand_is_kept_and_named(archives, tmp_path, failure):
    name = f"{TRAINING}.tar.gz"
    (tmp_path / name).write_bytes(archives[name][:-100])
    line = failure(download.main, "--data", tmp_path)
    assert str(tmp_path / name) in line and names(tmp_path) == {name}


def test_a_folder_that_is_no_whole_copy_is_not_overwritten(server, archives, tmp_path, failure):
    server.files = archives
    (tmp_path / TRAINING / "left").mkdir(parents=True)
    assert "not a whole copy" in failure(download.main, "--data", tmp_path)
    assert names(tmp_path / TRAINING) == {"left"}


def test_no_server_gives_one_line_with_the_url_and_the_remedy(server, tmp_path, failure, monkeypatch):
    server.shutdown()
    server.server_close()
    line = failure(download.main, "--data", tmp_path)
    assert f"http://127.0.0.1:{server.server_port}/{TRAINING}.tar.gz" in line
    assert "by hand" in line and "--data" in line and names(tmp_path) == set()


@pytest.mark.parametrize("base", ["nonsense", "http://", "http://[broken"])
def test_a_mirror_that_is_no_url_gives_one_line(tmp_path, failure, monkeypatch, base):
    monkeypatch.setenv(download.BASE_URL_VARIABLE, base)
    assert f"{base}/{TRAINING}.tar.gz" in failure(download.main, "--data", tmp_path)


def test_a_missing_file_on_the_server_gives_one_line(server, tmp_path, failure):
    line = failure(download.main, "--data", tmp_path)
    assert "HTTP 404" in line and TRAINING in line


def test_a_disk_full_while_downloading_leaves_what_can_be_continued(server, archives, tmp_path, failure):
    server.files = archives
    name = f"{TRAINING}.tar.gz"
    with full_disk(10_000):
        line = failure(download.main, "--data", tmp_path)
    assert f"{name}.part" in line and "File too large" in line
    assert names(tmp_path) == {f"{name}.part"}
    assert fetch_all(tmp_path) == 0
    assert server.requests[1] == (name, "bytes=10000-")


def test_a_disk_full_while_unpacking_leaves_no_half_of_a_data_set(server, archives, tmp_path, failure):
    def add(tar):
        info = tarfile.TarInfo("validation_list.txt")
        info.size = 1_000_000
        tar.addfile(info, io.BytesIO(bytes(info.size)))

    server.files = {f"{TRAINING}.tar.gz": tar_gz(add)}
    with full_disk(100_000):
        line = failure(download.main, "--data", tmp_path)
    assert "validation_list.txt" in line and "File too large" in line
    assert names(tmp_path) == {f"{TRAINING}.tar.gz.part"}


@pytest.mark.parametrize("step", ["blocks", "unpack_member"])
def test_an_interruption_leaves_only_the_part(server, archives, tmp_path, failure, monkeypatch, step):
    server.files = archives
    monkeypatch.setattr(download, "BLOCK", 1000)
    whole, calls = getattr(download, step), iter(range(3))

    def interrupted_blocks(response):
        yield from (block for _, block in zip(calls, whole(response)))
        raise KeyboardInterrupt

    def interrupted_member(*arguments):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(download, step, interrupted_blocks if step == "blocks" else interrupted_member)
        assert "interrupted" in failure(download.main, "--data", tmp_path)
    assert names(tmp_path) == {f"{TRAINING}.tar.gz.part"}
    assert fetch_all(tmp_path) == 0
    with tarfile.open(tmp_path / f"{TRAINING}.tar.gz") as tar:
        packed = {Path(member.name) for member in tar if member.isreg()}
    unpacked = tmp_path / TRAINING
    assert {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()} == packed
