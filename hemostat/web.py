"""The dashboard in a browser: textual-serve, which starts one for each page that is opened, behind a token.

textual-serve asks nobody who they are. What keeps others out, decided here and nowhere else:

Rule 1. Who names this server by a name that is not its own (DNS rebinding) gets nothing.
Rule 2. A request that a page of somebody else's makes (Origin) gets nothing; a websocket must say where from.
Rule 3. The token, once, in the address; for it there is a cookie, without which there is nothing else.
"""

import asyncio
import hmac
import re
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

import aiohttp_jinja2
from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

MOST: Final = 8
"""Dashboards at a time: each is a process."""
PATIENCE: Final = 3.0
"""Seconds that a dashboard has to go in when its page has gone."""
SAFE: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Nothing is kept, framed, or fetched from elsewhere."""

HOST: Final = re.compile(r"(?P<name>\[[^]]*\]|[^:]*)(?::(?P<port>\d{1,5}))?")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def own_name(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header names this server: an address cannot be made to lead elsewhere, a name can."""
    if not (written := HOST.fullmatch(host.lower())):
        return False
    try:
        ip_address(written["name"].strip("[]"))
    except ValueError:
        return written["name"] in names
    return True


def own_origin(origin: str | None, host: str, *, required: bool) -> bool:
    return not required if origin is None else origin.lower() == f"http://{host.lower()}"


class Guard:
    """Lets in who has the token. `names` are the server's own."""

    def __init__(self, token: str, names: frozenset[str]) -> None:
        self._token = token
        self._names = names | {"localhost"}
        self._pass = secrets.token_urlsafe(32)
        """The cookie's worth: not the token, so that who sees the one has not the other."""

    def refusal(self, request: web.Request) -> str:
        """Why there is nothing for this request; empty where there is."""
        is_socket = request.path == "/ws"
        if not own_name(request.host, self._names):
            return "this server has another name"
        if not own_origin(request.headers.get("Origin"), request.host, required=is_socket):
            return "asked for by another page"
        if not _same(request.cookies.get(_cookie(request), ""), self._pass):
            return "open the address that hemostat tui --web printed, with its token"
        return ""

    def admits(self, request: web.Request) -> bool:
        """Whether this is the first request, with the token."""
        given = request.query.get("token")
        at_home = request.path == "/" and own_name(request.host, self._names)
        return given is not None and at_home and _same(given, self._token)

    def admit(self, request: web.Request) -> web.Response:
        """To the page itself, so that the token does not stay in the address line."""
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(_cookie(request), self._pass, httponly=True, samesite="Strict")
        return answer

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.admits(request):
            answer: web.StreamResponse = self.admit(request)
        elif why := self.refusal(request):
            answer = web.Response(status=403, text=f"hemostat: {why}\n")
        else:
            answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(SAFE)
        return answer


def _cookie(request: web.Request) -> str:
    """Cookies know no ports: two servers on a machine must not take each other's away."""
    written = HOST.fullmatch(request.host)
    return f"hemostat-{written['port'] if written else ''}"


def _same(given: str, wanted: str) -> bool:
    """In a time that tells nothing."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


class Served(Server):
    """One that is guarded, says nothing, and names itself as whoever asks does."""

    def __init__(self, command: str, guard: Guard) -> None:
        super().__init__(command, title="HemoStat")
        self._guard = guard
        self._open = 0

    async def make_app(self) -> web.Application:
        app = await self._make_app()
        app.middlewares.append(self._guard.watch)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Its banner would name an address without a token."""

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        here = request.host
        context = {
            "font_size": 14,
            "app_websocket_url": f"ws://{here}/ws",
            "config": {"static": {"url": f"http://{here}/static/"}},
            "application": {"name": self.title},
        }
        return aiohttp_jinja2.render_template("app_index.html", request, context)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        if self._open >= MOST:
            raise web.HTTPServiceUnavailable(text=f"hemostat: {MOST} are open, and no more\n")
        page = web.WebSocketResponse(heartbeat=15)
        await page.prepare(request)

        async def close() -> None:
            await page.close()

        dashboard = Dashboard(
            self.command,
            write_bytes=page.send_bytes,
            write_str=page.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        self._open += 1
        try:
            width, height = (to_int(request.query.get(name, ""), 80) for name in ("width", "height"))
            await dashboard.start(width, height)
            with suppress(AssertionError, AttributeError, LookupError, TypeError, ValueError):  # nonsense
                await self._process_messages(page, dashboard)
        finally:
            self._open -= 1
            await dashboard.stop()
        return page


class Dashboard(AppService):
    """The process behind a page. Neither outlives the other."""

    async def run(self) -> None:
        # One that ends at once leaves textual-serve with a task cancelled before it began.
        with suppress(asyncio.CancelledError):
            await super().run()
        await self.remote_close()

    async def stop(self) -> None:
        if self._process is not None:
            await self.send_meta({"type": "quit"})
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await super().stop()


def serve(command: str, token: str, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM. `command` is a shell's, and runs the dashboard."""
    names = frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})
    served = Served(command, Guard(token, names))
    # Its log of requests would hold the token.
    web.run_app(served.make_app(), sock=listener, print=None, access_log=None, shutdown_timeout=2.0)
