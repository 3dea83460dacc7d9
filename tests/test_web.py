"""The dashboard in a browser: who gets in, and that it is the dashboard."""

import asyncio
import json
import os
import re
import shlex
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("textual_serve")

from aiohttp import (
    ClientSession,
    CookieJar,
    TCPConnector,
    WSMsgType,
    WSServerHandshakeError,
    web,
)

from hemostat.core.settings.public_address import parse_public_address
from hemostat.tui.served import MAX_DATA_BYTES
from hemostat.web import (
    MAX_PAGES,
    MAX_PAGES_PER_VIEWER,
    Guard,
    Served,
    add_prefix,
    is_own_name,
    is_own_origin,
)
from tests.support.hook import certify
from tests.support.web_dashboard import (
    NAMES,
    TOKEN,
    come_in,
    dashboard_command,
    get,
    open_dashboard,
    open_incident,
    served,
    shown,
    text_of,
)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8000", True),
        ("10.0.0.7", True),
        ("[::1]:8000", True),
        ("[::1]", True),
        ("localhost:9999", True),
        ("LOCALHOST", True),
        ("ops-1:8000", True),
        ("evil.example:8000", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("[evil]:1", False),
        ("127.0.0.1:8000;x", False),
        ("127.0.0.1:evil.example", False),
        ("", False),
    ],
)
def test_foreign_host_header_is_refused(host, own):
    assert is_own_name(host, NAMES | {"localhost"}) is own


@pytest.mark.parametrize(
    ("origin", "required", "own"),
    [
        ("http://localhost:8000", True, True),
        ("http://localhost:8001", False, False),
        ("https://localhost:8000", True, False),
        ("http://evil.example", False, False),
        ("null", True, False),
        (None, True, False),
        (None, False, True),
    ],
)
def test_foreign_origin_is_refused(origin, required, own):
    assert is_own_origin(origin, "localhost:8000", required=required) is own


@pytest.mark.parametrize(
    "path", ["/", "/?token=", "/?token=wrong", "/ws", "/static/js/textual.js", "/download/x"]
)
def test_request_without_token_is_refused(path):
    async def script(browser, at):
        answer = await get(browser, at + path, headers={"Origin": at})
        assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
        assert "with its token" in answer.text

    served(script)


def test_cookie_is_invalid_at_another_address():
    """Browsers send it to every port of the host that they open: a container may listen at one."""

    async def script(browser, at):
        await come_in(browser, at)
        cookie = "; ".join(f"{each.key}={each.value}" for each in browser.cookie_jar)
        for address, status in (("127.0.0.1", 200), ("127.0.0.2", 403)):
            async with ClientSession(connector=TCPConnector(local_addr=(address, 0))) as other:
                assert (await get(other, at, headers={"Cookie": cookie})).status == status

    served(script)


def test_token_is_exchanged_for_an_http_only_cookie():
    async def script(browser, at):
        answer = await get(browser, f"{at}/?token={TOKEN}", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        page = await get(browser, at)
        assert page.status == 200
        assert at.replace("http", "ws", 1) + "/ws" in page.text
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Cache-Control"] == "no-store"
        assert (await get(browser, at + "/static/js/textual.js")).status == 200

    served(script)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Host": "evil.example"}, "another name"),
        ({"Origin": "http://evil.example"}, "another page"),
        ({"Origin": "null"}, "another page"),
    ],
)
def test_request_with_cookie_needs_an_own_origin(headers, why):
    async def script(browser, at):
        await come_in(browser, at)
        for path in ("/", "/ws"):
            answer = await get(browser, at + path, headers=headers)
            assert answer.status == 403
            assert why in answer.text or "Host" in headers
        assert (await get(browser, f"{at}/?token={TOKEN}", headers={"Host": "evil.example"})).status == 403

    served(script)


def test_websocket_needs_an_own_origin():
    async def script(browser, at):
        await come_in(browser, at)
        for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:1"}):
            with pytest.raises(WSServerHandshakeError) as refused:
                await browser.ws_connect(at + "/ws", headers=headers)
            assert refused.value.status == 403

    served(script)


def test_page_shows_the_dashboard_and_ends_with_it(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))

    async def script(browser, at):
        socket = await open_dashboard(browser, at)
        await socket.send_json(["stdin", "0"])
        await shown(socket, b"PAUSED")
        await socket.close()

    served(script, command=dashboard_command())


async def refused_page(browser: ClientSession, at: str) -> int:
    with pytest.raises(WSServerHandshakeError) as refused:
        await browser.ws_connect(at + "/ws", headers={"Origin": at})
    return refused.value.status


def test_number_of_pages_is_limited_and_stuck_ones_are_killed(monkeypatch):
    monkeypatch.setattr("hemostat.web.STOP_SECONDS", 0.1)

    async def script(browser, at):
        await come_in(browser, at)
        opened = [
            await browser.ws_connect(at + "/ws", headers={"Origin": at}) for _ in range(MAX_PAGES_PER_VIEWER)
        ]
        assert await refused_page(browser, at) == 503
        for _ in range(MAX_PAGES // MAX_PAGES_PER_VIEWER - 1):
            await come_in(browser, at)
            opened += [
                await browser.ws_connect(at + "/ws", headers={"Origin": at})
                for _ in range(MAX_PAGES_PER_VIEWER)
            ]
        await come_in(browser, at)
        assert await refused_page(browser, at) == 503
        for each in opened:
            await each.close()

    served(script, command="exec cat")


def test_closed_page_counts_until_its_process_ended(monkeypatch, tmp_path):
    """A viewer who opens and closes pages without end must not start a process for each of them."""
    monkeypatch.setattr("hemostat.web.STOP_SECONDS", 60.0)
    (needed := tmp_path / "needed").touch()

    async def script(browser, at):
        await come_in(browser, at)
        for _ in range(MAX_PAGES):
            socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
            await socket.close()
        try:
            assert await refused_page(browser, at) == 503
        finally:
            needed.unlink()
        for _ in range(600):
            if await is_admitted(browser, at):
                return
            await asyncio.sleep(0.1)
        pytest.fail("no page is admitted after the processes have ended")

    served(script, command=f"while [ -e {shlex.quote(str(needed))} ]; do sleep 0.1; done")


async def is_admitted(browser: ClientSession, at: str) -> bool:
    try:
        socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
    except WSServerHandshakeError:
        return False
    await socket.close()
    return True


def test_page_ends_with_its_dashboard():
    """One that cannot start, too: nobody looks at a blank page for ever."""

    async def script(browser, at):
        await come_in(browser, at)
        socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
        assert (await socket.receive(timeout=20)).type is WSMsgType.CLOSE

    served(script, command="exit 3")


def test_invalid_message_ends_only_its_page(monkeypatch):
    monkeypatch.setattr("hemostat.web.STOP_SECONDS", 0.1)

    async def script(browser, at):
        await come_in(browser, at)
        for nonsense in ("{", "[]", "{}", '["stdin"]', '["stdin", 3]', '["resize", {}]'):
            socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
            await socket.send_str(nonsense)
            assert (await socket.receive(timeout=20)).type is WSMsgType.CLOSE
        assert (await get(browser, at)).status == 200

    served(script, command="exec cat")


ECHO = r"""
import json, os
def tell(text):
    os.write(1, b"D" + len(text).to_bytes(4, "big") + text)
os.write(1, b"__GANGLION__\n")
tell(json.dumps({"width": int(os.environ["COLUMNS"]), "height": int(os.environ["ROWS"])}).encode())
while len(head := os.read(0, 5)) == 5:
    tell(os.read(0, int.from_bytes(head[1:], "big")))
"""


@pytest.mark.parametrize("size", ["width=99999&height=99999", "width=-5&height=0", "width=x&height=1e9", ""])
def test_size_of_a_page_is_bounded(size):
    """The process behind it tells how large it was made, and how large it is made later."""

    async def script(browser, at):
        await come_in(browser, at)
        socket = await browser.ws_connect(f"{at}/ws?{size}", headers={"Origin": at})
        begun = json.loads((await socket.receive(timeout=20)).data)
        await socket.send_json(["resize", {"width": 10**9, "height": 10**9}])
        later = json.loads((await socket.receive(timeout=20)).data)
        await socket.close()
        assert 20 <= begun["width"] <= 400
        assert 5 <= begun["height"] <= 200
        assert (later["width"], later["height"]) == (400, 200)

    served(script, command=f"exec {sys.executable} -c {shlex.quote(ECHO)}")


@pytest.mark.parametrize("nonsense", [None, "1", 1.5, [], {}])
def test_invalid_size_ends_only_its_page(nonsense, monkeypatch):
    monkeypatch.setattr("hemostat.web.STOP_SECONDS", 0.1)

    async def script(browser, at):
        await come_in(browser, at)
        socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
        await socket.send_json(["resize", {"width": nonsense, "height": 5}])
        assert (await socket.receive(timeout=20)).type is WSMsgType.CLOSE

    served(script, command="exec cat")


def test_typed_resize_sequence_is_ignored(monkeypatch):
    """Drawn in it, one frame would have millions of cells."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))

    async def script(browser, at):
        socket = await open_dashboard(browser, at)
        await socket.send_json(["stdin", "\x1b[48;1200;1200;10;10t0"])
        seen = await shown(socket, b"PAUSED")
        await socket.send_json(["stdin", "?"])
        seen += await shown(socket, b"quit; the roles continue")
        await socket.close()
        assert len(seen) < 500_000

    served(script, command=dashboard_command())


MEMORY = """
import os
from hemostat.tui.served import MAX_DATA_BYTES, NICENESS, limit_process
before = os.nice(0)
limit_process()
assert os.nice(0) >= min(19, before + NICENESS)
try:
    bytearray(MAX_DATA_BYTES)
except MemoryError:
    print("bounded")
"""


def test_memory_of_a_page_is_bounded():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "bounded\n", done.stderr


def limits_of_children() -> list[str]:
    """As the kernel tells them."""
    own = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return [Path(f"/proc/{each}/limits").read_text() for each in own]


def test_process_of_a_page_is_confined(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))

    async def script(browser, at):
        socket = await open_dashboard(browser, at)
        limits = limits_of_children()
        await socket.close()
        assert any(re.search(rf"Max data size\s+{MAX_DATA_BYTES} ", each) for each in limits)

    served(script, command=dashboard_command())


def test_deeply_nested_message_ends_only_its_page(monkeypatch):
    monkeypatch.setattr("hemostat.web.STOP_SECONDS", 0.1)

    async def script(browser, at):
        await come_in(browser, at)
        socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
        await socket.send_str("[" * 100_000)
        assert (await socket.receive(timeout=20)).type is WSMsgType.CLOSE

    served(script, command="exec cat")


# --- behind a proxy ---------------------------------------------------------------------------------


class Proxy:
    """As nginx and Caddy do it: the Host header is kept or replaced, the prefix is kept or taken away."""

    def __init__(self, prefix: str, *, strips: bool) -> None:
        self.prefix, self.strips, self.port = prefix, strips, 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", self.prefix + "/{rest:.*}", self.hand_on)
        return app

    async def hand_on(self, request: web.Request) -> web.StreamResponse:
        path = request.path_qs.removeprefix(self.prefix) if self.strips else request.path_qs
        at = f"http://127.0.0.1:{self.port}{path}"
        names = {"Origin", "Cookie"} if self.strips else {"Origin", "Cookie", "Host"}
        kept = {name: value for name, value in request.headers.items() if name in names}
        async with ClientSession() as client:
            if request.headers.get("Upgrade"):
                return await self.tunnel(request, client, at, kept)
            async with client.get(at, headers=kept, allow_redirects=False) as answer:
                told = {name: answer.headers[name] for name in PASSED if name in answer.headers}
                return web.Response(status=answer.status, headers=told, body=await answer.read())

    async def tunnel(self, request, client, at, kept) -> web.StreamResponse:
        try:
            inner = await client.ws_connect(at, headers=kept)
        except WSServerHandshakeError as error:
            return web.Response(status=error.status)
        outer = web.WebSocketResponse()
        await outer.prepare(request)

        async def copy(source, target) -> None:
            async for message in source:
                send = target.send_bytes if message.type is WSMsgType.BINARY else target.send_str
                await send(message.data)
            await target.close()

        await asyncio.gather(copy(inner, outer), copy(outer, inner))
        return outer


PASSED = ("Set-Cookie", "Location", "Content-Type", "Content-Disposition")


def behind_tls(script, certificate: Path, prefix: str = "", *, strips: bool, command: str = "exit 1") -> None:
    """Run `script` against a proxy that speaks TLS, in front of a server that does not."""

    async def run() -> None:
        proxy = Proxy(prefix, strips=strips)
        outer = web.AppRunner(proxy.app())
        await outer.setup()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        await web.TCPSite(outer, "127.0.0.1", 0, ssl_context=tls).start()
        public = f"https://127.0.0.1:{outer.addresses[0][1]}{prefix}"
        inner = web.AppRunner(
            await Served(command, Guard(TOKEN, NAMES, parse_public_address(public))).make_app()
        )
        await inner.setup()
        await web.TCPSite(inner, "127.0.0.1", 0).start()
        proxy.port = inner.addresses[0][1]
        trust = TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate)))
        try:
            async with ClientSession(cookie_jar=CookieJar(unsafe=True), connector=trust) as browser:
                await script(browser, public, f"http://127.0.0.1:{proxy.port}")
        finally:
            await outer.cleanup()
            await inner.cleanup()

    asyncio.run(run())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    return certify(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(("prefix", "strips"), [("", False), ("/hemostat", True), ("/ops/hemostat", False)])
def test_dashboard_and_downloads_work_behind_tls_and_prefix(prefix, strips, certificate, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))

    async def script(browser, public, _):
        assert (await get(browser, f"{public}/")).status == 403
        answer = await get(browser, f"{public}/?token={TOKEN}", allow_redirects=False)
        cookie = answer.headers["Set-Cookie"]
        assert answer.headers["Location"] == f"{prefix}/"
        assert "Secure" in cookie
        assert f"Path={prefix}/" in cookie
        page = await get(browser, f"{public}/")
        at = public.replace("https", "wss", 1) + "/ws"
        assert at in page.text
        assert f'"{public}/static/js/textual.js"' in page.text
        assert (await get(browser, f"{public}/static/js/textual.js")).status == 200
        origin = {"Origin": public.removesuffix(prefix)}
        socket = await browser.ws_connect(f"{at}?width=100&height=30", headers=origin)
        await shown(socket, b"REPLAY")
        await open_incident(socket)
        await socket.send_json(["stdin", "e"])
        await shown(socket, b"download this incident")
        await socket.send_json(["stdin", "\r"])
        kind, told = json.loads(await text_of(socket))
        where = told["url"] if kind == "open_url" else f"/download/{told}"
        assert where.startswith(f"{prefix}/download/")
        file = await get(browser, public.removesuffix(prefix) + where)
        await socket.close()
        assert file.text.startswith("# ")
        assert file.headers["Content-Disposition"].startswith("attachment; filename=incident-")

    behind_tls(script, certificate, prefix, strips=strips, command=dashboard_command())


def test_only_the_public_origin_is_accepted_behind_a_proxy(certificate):
    async def script(browser, public, inside):
        assert (await get(browser, f"{public}/?token={TOKEN}")).status == 200
        for origin in (inside, public.replace("https", "http", 1), "https://evil.example", "null"):
            with pytest.raises(WSServerHandshakeError) as refused:
                await browser.ws_connect(f"{public}/ws", headers={"Origin": origin})
            assert refused.value.status == 403
        forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        named = {"Host": "evil.example", **forwarded}
        assert (await get(browser, f"{inside}/?token={TOKEN}", headers=named)).status == 403

    behind_tls(script, certificate, strips=False)


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("https://ops.example", ("https://ops.example", "ops.example", "")),
        ("HTTPS://Ops.Example:443/", ("https://ops.example", "ops.example", "")),
        ("https://ops.example:8443/a/b/", ("https://ops.example:8443", "ops.example", "/a/b")),
        ("http://[::1]:80/x", ("http://[::1]", "[::1]", "/x")),
    ],
)
def test_public_url_is_parsed(url, known):
    assert parse_public_address(url) == known


@pytest.mark.parametrize(
    "url",
    [
        *("", "ops.example", "ftp://ops.example", "https://", "https://u:secret@ops.example"),
        *("https://ops.example/?token=secret", "https://ops.example/#x", "https://ops.example/a//b"),
        *(
            "https://ops.example/../x",
            "https://ops example",
            'https://ops.example/"x',
            "https://ops.example/<x>",
        ),
    ],
)
def test_invalid_public_url_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError, match=r"only scheme, host and path|contains \.\.") as refused:
        parse_public_address(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("prefix", ["", "/x"])
def test_other_messages_to_the_page_are_unchanged(prefix):
    assert add_prefix('["pong", 1]', prefix) == '["pong", 1]'
