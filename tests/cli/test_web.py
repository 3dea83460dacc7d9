"""`hemostat tui --web`: its messages, its refusals, and a browser that opens it."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import stat
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("textual_serve")

from aiohttp import ClientSession, CookieJar, WSMsgType

from hemostat.cli.dashboard import web
from hemostat.errors import UsageError
from tests.support.engine_fixtures import eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def serve(spawn):
    """Start it on a port of its own; the process, and the address that it printed."""

    def start(*arguments: str):
        process = spawn("tui", "--web", "--demo", "--port", "0", *arguments)
        line = process.stdout.readline().strip()
        kept = re.search(r"\(the full address is in (.*)\)", line)
        return process, Path(kept[1]).read_text().strip() if kept else line

    return start


async def status(url: str, **options) -> int:
    async with (
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser,
        browser.get(url, **options) as answer,
    ):
        return answer.status


def test_server_prints_a_token_url_and_listens_on_loopback(serve):
    process, address = serve()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
    assert asyncio.run(status(address)) == 200
    assert asyncio.run(status(address[:-1] + "!")) == 403
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "read-only" in err
    assert "warning" not in err
    assert address.partition("=")[2] not in out + err


def test_log_contains_the_path_of_the_token_only(spawn):
    """Whatever is no terminal may be a journal, which others read and which is kept."""
    process = spawn("tui", "--web", "--demo", "--port", "0")
    line = process.stdout.readline()
    file = Path(re.search(r"\(the full address is in (.*)\)", line)[1])
    token = file.read_text().strip().partition("?token=")[2]
    assert file.stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert len(token) == 43
    assert token not in line + out + err
    assert not file.exists()


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/?token={}\x80", "HTTP/1.1\r\n"),
        ("/?token={}", "HTTP/1.1 \r\n"),
        ("/?token={}", "HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n"),
    ],
)
def test_malformed_request_is_not_logged(serve, path, end):
    """Any client can send such requests without end, and a report would quote the token."""
    process, address = serve()
    port, token = urlsplit(address).port, address.partition("=")[2]
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(f"GET {path.format(token)} {end}Host: 127.0.0.1\r\n\r\n".encode("latin-1"))
            assert b" 400 " in client.recv(1000)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert token not in out + err
    assert "Traceback" not in out + err


def test_public_url_replaces_the_local_one(serve):
    _, address = serve("--public-url", "https://ops.example/hemostat/")
    assert re.fullmatch(r"https://ops\.example/hemostat/\?token=[\w-]{43}", address)


def test_invalid_public_url_is_reported(hemostat):
    told = hemostat("tui", "--web", "--public-url", "https://u:secret@ops.example")
    assert told.code == 2
    assert "secret" not in told.err


def test_non_loopback_address_prints_a_warning(serve):
    process, address = serve("--bind", "0.0.0.0")  # noqa: S104 - this is the test
    assert re.match(r"http://[\w.-]+:\d+/\?token=", address)
    process.terminate()
    assert "warning: 0.0.0.0 is reachable from other machines" in process.communicate(timeout=20)[1]


def test_configured_token_is_not_printed(serve, tmp_path):
    file = tmp_path / "token"
    file.write_text("a-token-of-ones-own\n")
    file.chmod(0o600)
    process, address = serve("--token-file", str(file))
    port = re.search(r":(\d+)/", address)[1]
    assert asyncio.run(status(f"http://127.0.0.1:{port}/?token=a-token-of-ones-own")) == 200
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert "a-token-of-ones-own" not in address + out + err


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"a-token-of-ones-own", 0o640, "other users can read"),
        (b"short", 0o600, "must contain a token of at least 16 characters"),
        (b"", 0o600, "must contain a token"),
        (b"two words of which is one", 0o600, "must contain a token"),
        (b"\xff" * 20, 0o600, "must contain a token"),
    ],
)
def test_weak_or_readable_token_is_refused(tmp_path, content, mode, why):
    file = tmp_path / "token"
    file.write_bytes(content)
    file.chmod(mode)
    assert stat.S_IMODE(file.stat().st_mode) == mode
    with pytest.raises(UsageError, match=why):
        web.read_token(file)


def test_named_pipe_as_token_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "token", 0o600)
    with pytest.raises(UsageError, match="is a named pipe, not a file"):
        web.read_token(tmp_path / "token")


def test_missing_token_file_is_reported(hemostat, tmp_path):
    told = hemostat("tui", "--web", "--token-file", str(tmp_path / "none"))
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "cannot be read: No such file" in told.err


def test_port_in_use_is_reported(hemostat):
    with web.listen("127.0.0.1", 0) as taken:
        told = hemostat("tui", "--web", "--port", str(taken.getsockname()[1]))
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "Address already in use" in told.err


def test_missing_web_extra_names_the_package(hemostat, monkeypatch):
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    monkeypatch.setitem(sys.modules, "textual_serve.app_service", None)
    monkeypatch.delitem(sys.modules, "hemostat.web", raising=False)
    told = hemostat("tui", "--web")
    assert told.code == 2
    assert told.err.strip().endswith("pip install 'hemostat[web]'")


@pytest.mark.parametrize("allowed", [True, False])
def test_served_dashboard_is_read_only_by_default(hemostat, monkeypatch, allowed):
    commands = []
    monkeypatch.setattr("hemostat.web.serve", lambda command, *_: commands.append(command))
    hemostat("tui", "--web", "--port", "0", "--since", "2h", *(["--allow-actions"] if allowed else []))
    assert ("--read-only" in commands[0]) is not allowed
    assert "--since 7200.0" in commands[0]


class Tab:
    """A page in a browser, by its debugging protocol."""

    def __init__(self, socket) -> None:
        self._socket = socket
        self._id = 0

    async def call(self, method: str, **parameters):
        self._id += 1
        await self._socket.send_json({"id": self._id, "method": method, "params": parameters})
        async with asyncio.timeout(60):
            while (answer := await self._socket.receive_json()).get("id") != self._id:
                pass
        assert "error" not in answer, answer
        return answer["result"]

    async def until(self, condition: str) -> None:
        wait = f"new Promise(done => setInterval(() => ({condition}) && done(), 50))"
        await self.call("Runtime.evaluate", expression=wait, awaitPromise=True)


@asynccontextmanager
async def tab(directory: Path):
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,760"]
    places = ["--remote-debugging-port=0", f"--user-data-dir={directory}", "about:blank"]
    devnull = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *flags, *places, stdout=devnull, stderr=asyncio.subprocess.PIPE
    )
    try:
        await asyncio.wait_for(process.stderr.readuntil(b"DevTools listening on ws://"), 60)
        at = "http://" + (await process.stderr.readuntil(b"/")).decode().rstrip("/")
        async with ClientSession() as session:
            async with session.get(at + "/json/list") as answer:
                page = next(each for each in json.loads(await answer.text()) if each["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_browser_shows_the_dashboard_and_sends_keys(serve, tmp_path):
    _, address = serve()

    async def look() -> None:
        async with tab(tmp_path / "profile") as page:
            await page.call("Page.navigate", url=address)
            await page.until("document.body.classList.contains('-first-byte')")
            await page.until("location.href.endsWith('/') && document.cookie === ''")
            await page.call("Runtime.evaluate", expression="document.querySelector('textarea').focus()")
            await page.call("Input.dispatchKeyEvent", type="keyDown", key="q", text="q")
            await page.until("document.body.classList.contains('-closed')")

    asyncio.run(look())


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGKILL])
def test_dashboards_end_with_the_server(serve, order):
    process, address = serve()
    at = address.partition("/?")[0]

    async def look() -> list[str]:
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
            async with browser.get(address):
                pass
            socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
            await socket.receive(timeout=60)
            started = children(process.pid)
            process.send_signal(order)
            while (await socket.receive(timeout=60)).type is WSMsgType.BINARY:
                pass
            return started

    started = asyncio.run(look())
    process.communicate(timeout=20)
    assert len(started) == 1
    eventually(lambda: not Path("/proc", started[0]).exists())


def test_printed_address_is_the_one_that_listens():
    """Another user may listen on the other addresses of a name."""
    with web.listen("localhost", 0) as listener:
        assert web._format_address("localhost", listener) == "127.0.0.1"
