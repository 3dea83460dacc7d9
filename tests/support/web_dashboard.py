"""The served dashboard, as a browser sees it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from aiohttp import (
    ClientSession,
    ClientWebSocketResponse,
    CookieJar,
    WSMsgType,
    web,
)

from hemostat.web import (
    Guard,
    Served,
)

TOKEN = "a-token-of-some-length"  # noqa: S105 - of the test alone
NAMES = frozenset({"ops-1"})


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


async def open_dashboard(browser: ClientSession, at: str) -> ClientWebSocketResponse:
    """A page on which the demo is drawn."""
    await come_in(browser, at)
    socket = await browser.ws_connect(at + "/ws?width=100&height=30", headers={"Origin": at})
    await shown(socket, b"REPLAY")
    return socket


async def open_incident(socket) -> None:
    """In the demo, some seconds after the first one has begun."""
    for key in "0>..":
        await socket.send_json(["stdin", key])
    for _ in range(20):
        await socket.send_json(["stdin", "i"])
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await shown(socket, b"Export")
                return


async def text_of(socket) -> str:
    async with asyncio.timeout(30):
        while (message := await socket.receive()).type is not WSMsgType.TEXT:
            assert message.type is WSMsgType.BINARY
        return message.data
