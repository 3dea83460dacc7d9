"""The dashboard in a browser: who gets in, and that it is the dashboard."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

import pytest

pytest.importorskip("textual_serve")

from aiohttp import ClientSession, CookieJar, WSMsgType, WSServerHandshakeError, web

from hemostat.web import MOST, Guard, Served, own_name, own_origin

TOKEN = "a-token-of-some-length"  # noqa: S105 - of the test alone
NAMES = frozenset({"ops-1"})


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
def test_a_name_that_is_not_its_own_is_none(host, own):
    assert own_name(host, NAMES | {"localhost"}) is own


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
def test_a_page_of_another_origin_is_not_its_own(origin, required, own):
    assert own_origin(origin, "localhost:8000", required=required) is own


def served(script, *, command: str = "exit 1") -> None:
    """Run `script` against a server on a port of its own."""

    async def run() -> None:
        runner = web.AppRunner(await Served(command, Guard(TOKEN, NAMES)).make_app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
                await script(browser, f"http://127.0.0.1:{runner.addresses[0][1]}")
        finally:
            await runner.cleanup()

    asyncio.run(run())


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str


async def get(browser: ClientSession, url: str, **options) -> Answer:
    async with browser.get(url, **options) as answer:
        return Answer(answer.status, answer.headers, await answer.text())


async def come_in(browser: ClientSession, at: str) -> None:
    assert (await get(browser, f"{at}/?token={TOKEN}")).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/?token=", "/?token=wrong", "/ws", "/static/js/textual.js", "/download/x"]
)
def test_without_the_token_there_is_nothing(path):
    async def script(browser, at):
        answer = await get(browser, at + path, headers={"Origin": at})
        assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
        assert "with its token" in answer.text

    served(script)


def test_the_token_is_taken_once_for_a_cookie_that_scripts_and_other_sites_do_not_get():
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
def test_who_has_the_cookie_is_still_asked_where_from(headers, why):
    async def script(browser, at):
        await come_in(browser, at)
        for path in ("/", "/ws"):
            answer = await get(browser, at + path, headers=headers)
            assert answer.status == 403
            assert why in answer.text or "Host" in headers
        assert (await get(browser, f"{at}/?token={TOKEN}", headers={"Host": "evil.example"})).status == 403

    served(script)


def test_a_websocket_says_where_it_is_from():
    async def script(browser, at):
        await come_in(browser, at)
        for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:1"}):
            with pytest.raises(WSServerHandshakeError) as refused:
                await browser.ws_connect(at + "/ws", headers=headers)
            assert refused.value.status == 403

    served(script)


def dashboard_command() -> str:
    return f"exec {sys.executable} -m hemostat tui --served {os.getpid()} --read-only --demo"


async def shown(socket, wanted: bytes) -> bytes:
    seen = b""
    async with asyncio.timeout(60):
        while wanted not in seen:
            message = await socket.receive()
            assert message.type is WSMsgType.BINARY
            seen += message.data
    return seen


def test_it_is_the_dashboard_and_heeds_keys_and_is_gone_with_the_page(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))

    async def script(browser, at):
        await come_in(browser, at)
        socket = await browser.ws_connect(at + "/ws?width=100&height=30", headers={"Origin": at})
        await shown(socket, b"REPLAY")
        await socket.send_json(["stdin", "0"])
        await shown(socket, b"PAUSED")
        await socket.close()

    served(script, command=dashboard_command())


def test_no_more_than_some_at_a_time_and_one_that_does_not_go_is_killed(monkeypatch):
    monkeypatch.setattr("hemostat.web.PATIENCE", 0.1)

    async def script(browser, at):
        await come_in(browser, at)
        opened = [await browser.ws_connect(at + "/ws", headers={"Origin": at}) for _ in range(MOST)]
        with pytest.raises(WSServerHandshakeError) as refused:
            await browser.ws_connect(at + "/ws", headers={"Origin": at})
        assert refused.value.status == 503
        for each in opened:
            await each.close()

    served(script, command="exec cat")


def test_a_page_ends_with_its_dashboard():
    """One that cannot start, too: nobody looks at a blank page for ever."""

    async def script(browser, at):
        await come_in(browser, at)
        socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
        assert (await socket.receive(timeout=20)).type is WSMsgType.CLOSE

    served(script, command="exit 3")


def test_nonsense_ends_the_page_alone(monkeypatch):
    monkeypatch.setattr("hemostat.web.PATIENCE", 0.1)

    async def script(browser, at):
        await come_in(browser, at)
        for nonsense in ("{", "[]", "{}", '["stdin"]', '["stdin", 3]', '["resize", {}]'):
            socket = await browser.ws_connect(at + "/ws", headers={"Origin": at})
            await socket.send_str(nonsense)
            assert (await socket.receive(timeout=20)).type is WSMsgType.CLOSE
        assert (await get(browser, at)).status == 200

    served(script, command="exec cat")
