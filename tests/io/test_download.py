"""Downloads against a server of our own that misbehaves in every way that mirrors do."""

import contextlib
import hashlib
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dynseg.errors import UserError
from dynseg.io import download
from dynseg.io.download import fetch, link

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()
Answer = Callable[[BaseHTTPRequestHandler], None]


class Mirror:
    """A server whose paths answer as they are told; it remembers what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, str | None]] = []

    def url(self, path: str, *answers: Answer) -> str:
        """Answer requests of a path in this order, the last answer for ever."""
        self.answers[f"/{path}"] = list(answers)
        return f"http://127.0.0.1:{self.port}/{path}"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append((self.path, self.headers.get("Range")))
            answers = served.answers[self.path]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                answer(self)
            self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Mirror(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    return waits


def send(body: bytes, status: int = 200, **headers: object) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": len(body), **headers}.items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def send_range(body: bytes = BODY) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        if asked is None:
            return send(body)(handler)
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        return send(body[start:], 206, Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")(handler)

    return answer


def send_without_length(body: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def send_for_ever(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(BODY)


def close(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Reset the connection in the middle of the body."""
    send(BODY[:1000], Content_Length=len(BODY))(handler)
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def stall(handler: BaseHTTPRequestHandler) -> None:
    """Send a part of the body, then nothing for longer than anybody waits."""
    send(BODY[:1000], Content_Length=len(BODY))(handler)
    handler.wfile.flush()
    threading.Event().wait(30)


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """Send the body in small pieces, slowly but never pausing for long."""
    send(b"", Content_Length=len(BODY))(handler)
    for start in range(0, len(BODY), 1 << 15):
        handler.wfile.write(BODY[start : start + (1 << 15)])
        handler.wfile.flush()
        threading.Event().wait(0.02)


def assert_only(destination: Path) -> None:
    assert destination.read_bytes() == BODY
    assert list(destination.parent.iterdir()) == [destination]


@pytest.mark.parametrize(
    "answers",
    [
        [send(BODY)],
        [send(BODY[:1000], Content_Length=len(BODY)), send_range()],
        [send(BODY[:1000]), send_range()],
        [send(BODY[:1000], Content_Length=len(BODY)), send(BODY)],
        [send(BODY, Content_Length=len(BODY) + 1000)],
        [send(BODY, Content_Length=len(BODY) - 1000), send_range()],
        [send_without_length(BODY)],
        [send_without_length(BODY[:1000]), send_range()],
        [send(b"busy", 503), send(b"busy", 500), send(BODY)],
        [close, send(BODY)],
        [reset, send_range()],
        [stall, send_range()],
        [trickle],
        [send(BODY, Content_Encoding="gzip")],
        [send(BODY[:9], 206, Content_Range=f"bytes 7-15/{len(BODY)}"), send(BODY)],
    ],
    ids=[
        "whole",
        "cut and resumed",
        "wrong length and resumed",
        "cut by a server that ignores Range",
        "length too large",
        "length too small",
        "no length",
        "no length, cut",
        "503 and 500",
        "connection closed",
        "connection reset",
        "stalling",
        "slow",
        "archive announced as an encoding",
        "a range that nobody asked for",
    ],
)
def test_one_mirror_is_enough(
    mirror: Mirror, tmp_path: Path, answers: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", (15, 3) if stall in answers else download.TIMEOUT_SECONDS)
    fetch([mirror.url("a", *answers)], tmp_path / "a.tgz", SHA256, len(BODY))
    assert_only(tmp_path / "a.tgz")


@pytest.mark.parametrize(
    "answer",
    [send(b"gone", 404), send(BODY[::-1]), send(b"short"), send_for_ever, send(b"busy", 503), send(BODY + b"more")],
    ids=["404", "wrong content of the right size", "short", "endless", "always busy", "too long"],
)
def test_next_mirror_stands_in(mirror: Mirror, tmp_path: Path, answer: Answer) -> None:
    fetch([mirror.url("a", answer), mirror.url("b", send_range())], tmp_path / "a.tgz", SHA256, len(BODY))
    assert_only(tmp_path / "a.tgz")


def test_redirect_to_another_address(mirror: Mirror, tmp_path: Path) -> None:
    target = mirror.url("b", send(BODY)).replace("127.0.0.1", "localhost")
    fetch([mirror.url("a", send(b"", 302, Location=target))], tmp_path / "a.tgz", SHA256, len(BODY))
    assert_only(tmp_path / "a.tgz")


def test_earlier_part_is_resumed(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a.tgz.part").write_bytes(BODY[:1234])
    fetch([mirror.url("a", send_range())], tmp_path / "a.tgz", SHA256, len(BODY))
    assert mirror.requests == [("/a", "bytes=1234-")]
    assert_only(tmp_path / "a.tgz")


@pytest.mark.parametrize(
    "part", [b"?" * 1234, BODY + b"more", BODY[::-1]], ids=["other", "too long", "whole but wrong"]
)
def test_earlier_part_of_another_file_does_no_harm(mirror: Mirror, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "a.tgz.part").write_bytes(part)
    fetch([mirror.url("a", send_range())], tmp_path / "a.tgz", SHA256, len(BODY))
    assert_only(tmp_path / "a.tgz")


@pytest.mark.slow
def test_a_killed_download_is_resumed_and_never_under_the_final_name(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.url("a", stall, send_range())
    command = ["fetch", "bsd500", "--url", url, "--sha256", SHA256, "--output", str(tmp_path / "a.tgz")]
    process = subprocess.Popen([sys.executable, "-m", "dynseg", *command])
    while (process.poll() is None and not (part := tmp_path / "a.tgz.part").exists()) or part.stat().st_size < 1000:
        threading.Event().wait(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "a.tgz").exists()
    fetch([url], tmp_path / "a.tgz", SHA256, len(BODY))
    assert mirror.requests == [("/a", None), ("/a", "bytes=1000-")]
    assert_only(tmp_path / "a.tgz")


def test_earlier_part_is_not_resumed_without_hash(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a.tgz.part").write_bytes(b"?" * 1234)
    fetch([mirror.url("a", send_range())], tmp_path / "a.tgz")
    assert mirror.requests == [("/a", None)]
    assert_only(tmp_path / "a.tgz")


def test_whole_part_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "a.tgz.part").write_bytes(BODY)
    fetch(["http://127.0.0.1:9/a"], tmp_path / "a.tgz", SHA256, len(BODY))
    assert_only(tmp_path / "a.tgz")


def test_file_with_the_hash_is_left_alone(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(BODY)
    fetch([mirror.url("a", send(b"gone", 404))], tmp_path / "a.tgz", SHA256.upper(), len(BODY))
    assert mirror.requests == []


def test_failure_names_every_mirror_and_keeps_what_was_there(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(b"earlier")
    urls = [mirror.url("a", send(b"gone", 404)), mirror.url("b", send(BODY[::-1])), "ftp://example.org/c"]
    with pytest.raises(UserError, match=r"(?s)/a \(404 .*/b \(.*sha256.*ftp://example.org/c \(.*config key `archive`"):
        fetch(urls, tmp_path / "a.tgz", SHA256, len(BODY))
    assert (tmp_path / "a.tgz").read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_unreachable_server_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"refused.*4 times tried"):
        fetch(["http://127.0.0.1:9/a"], tmp_path / "a.tgz", SHA256, len(BODY))


def test_waits_grow_and_follow_the_server(mirror: Mirror, tmp_path: Path, no_waiting: list[float]) -> None:
    answers = [send(b"busy", 503), send(b"busy", 503), send(b"busy", 503, Retry_After=20), send(BODY)]
    fetch([mirror.url("a", *answers)], tmp_path / "a.tgz", SHA256, len(BODY))
    assert no_waiting == [1, 2, 20]


def test_a_wait_may_be_given_by_a_date_and_nonsense_is_ignored(
    mirror: Mirror, tmp_path: Path, no_waiting: list[float]
) -> None:
    later = formatdate(time.time() + 30, usegmt=True)
    answers = [send(b"busy", 503, Retry_After=later), send(b"busy", 503, Retry_After="soon"), send(BODY)]
    fetch([mirror.url("a", *answers)], tmp_path / "a.tgz", SHA256, len(BODY))
    assert 25 < no_waiting[0] <= 31
    assert no_waiting[1:] == [2]


def test_unwritable_destination_is_a_user_error(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="can't be written"):
        fetch([mirror.url("a", send(BODY))], tmp_path / "file" / "a.tgz", SHA256, len(BODY))


def test_content_check_refuses_and_the_next_mirror_is_tried(mirror: Mirror, tmp_path: Path) -> None:
    def check(path: Path) -> None:
        if path.read_bytes() != BODY:
            raise UserError("not the one")

    fetch([mirror.url("a", send(b"another")), mirror.url("b", send(BODY))], tmp_path / "a.tgz", check=check)
    assert_only(tmp_path / "a.tgz")


def test_progress_is_a_few_lines_in_a_log(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_PIECE_BYTES", 1 << 12)
    fetch([mirror.url("a", send(BODY))], tmp_path / "a.tgz", SHA256, len(BODY))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "a.tgz: 1.0 of 1.0 MB"


def test_a_file_that_is_there_is_linked_to_and_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "far").mkdir()
    file, destination = tmp_path / "far/a.tgz", tmp_path / "resources/official/a.archive"
    file.write_bytes(BODY)
    file.chmod(0o400)
    before = file.stat()
    monkeypatch.chdir(tmp_path)
    for given in ("far/a.tgz", file):
        # Of the second the first is replaced.
        link(given, destination)
        assert destination.readlink() == file
        assert destination.read_bytes() == BODY
    assert (file.stat().st_mode, file.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert list(destination.parent.iterdir()) == [destination]


def test_where_no_links_can_be_made_a_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    (tmp_path / "a.tgz").write_bytes(BODY)
    link(tmp_path / "a.tgz", tmp_path / "a.archive")
    assert not (tmp_path / "a.archive").is_symlink()
    assert (tmp_path / "a.archive").read_bytes() == BODY


def test_a_link_that_cant_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(BODY)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.archive can't be written"):
        link(tmp_path / "a.tgz", tmp_path / "file/a.archive")
