"""Serves the dashboard in a browser: textual-serve, which starts one process for each open page, behind a
token.

textual-serve has no authentication. All access control is here:

1. A request to a host name that is not this server's (DNS rebinding) is refused.
2. A request from another site's page (Origin) is refused; a websocket must have an origin. Behind a proxy,
   the server's own page is at the configured public address only, which is never derived from the request.
3. The token is passed once, in the address. It is exchanged for a cookie, without which every other request
   is refused.
"""

import asyncio
import hmac
import json
import re
import secrets
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

import aiohttp_jinja2
from aiohttp import log, web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from hemostat.core.settings.public_address import PublicAddress
from hemostat.web_listener import BoundedListener, ClientErrorFilter

MAX_PAGES: Final = 8
"""Maximum number of open dashboards: each is a process."""
MAX_PAGES_PER_VIEWER: Final = 4
"""Maximum number of open dashboards of one viewer."""
WIDTH_BOUNDS: Final = (20, 400)
HEIGHT_BOUNDS: Final = (5, 200)
"""Minimum and maximum cells of a page: each cell is drawn, sent and stored."""
MAX_MESSAGE_BYTES: Final = 256 * 1024
"""Maximum bytes of one message of a page, such as pasted text."""
MESSAGE_ERRORS: Final = (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors raised by malformed messages, which no dashboard page sends."""
DRIVER_PATH: Final = "hemostat.tui.served:ServedDriver"
"""The driver that draws a page, as named in Textual's environment."""
STOP_SECONDS: Final = 3.0
"""Seconds that a dashboard has to stop when its page is closed."""
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Responses are not cached, framed, or loaded from elsewhere."""

HOST_PATTERN: Final = re.compile(r"(?P<name>\[[^]]*\]|[^:]*)(?::(?P<port>\d{1,5}))?")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_own_name(host: str, names: frozenset[str]) -> bool:
    """Return whether a Host header names this server: an address cannot be made to lead elsewhere, a name
    can."""
    if not (match := HOST_PATTERN.fullmatch(host.lower())):
        return False
    try:
        ip_address(match["name"].strip("[]"))
    except ValueError:
        return match["name"] in names
    return True


def is_own_origin(
    origin: str | None, host: str, *, required: bool, public: PublicAddress | None = None
) -> bool:
    if origin is None:
        return not required
    return origin.lower() == (public.origin if public else f"http://{host.lower()}")


def clamp(value: object, bounds: tuple[int, int]) -> int:
    """Return a number of cells within its bounds. Raises TypeError."""
    if not isinstance(value, int):
        raise TypeError("not a number of cells")
    return max(bounds[0], min(value, bounds[1]))


class Guard:
    """Admits holders of the token. `names` are the server's own names; `public` is its address behind a
    proxy."""

    def __init__(self, token: str, names: frozenset[str], public: PublicAddress | None = None) -> None:
        self._token = token
        self.public = public
        self._names = names | {"localhost"} | ({public.name} if public else set())
        self._key = secrets.token_bytes(32)
        """Signs cookies. Cookies do not contain the token, so that a leaked cookie does not reveal it."""

    def find_path(self, request: web.Request) -> str:
        """Return the path without the prefix, which some proxies remove and others keep."""
        prefix = self.public.prefix if self.public else ""
        if prefix and (request.path == prefix or request.path.startswith(f"{prefix}/")):
            return request.path.removeprefix(prefix) or "/"
        return request.path

    def find_refusal(self, request: web.Request) -> str:
        """Return why a request is refused; empty where it is not."""
        is_socket = self.find_path(request) == "/ws"
        if not is_own_name(request.host, self._names):
            return "the Host header does not match this server"
        if not is_own_origin(
            request.headers.get("Origin"), request.host, required=is_socket, public=self.public
        ):
            return "requested by another page"
        if not self.find_viewer(request):
            return "open the address that hemostat tui --web printed, with its token"
        return ""

    def should_admit(self, request: web.Request) -> bool:
        """Return whether this is the first request, with the token."""
        given = request.query.get("token")
        at_home = self.find_path(request) == "/" and is_own_name(request.host, self._names)
        return given is not None and at_home and _is_equal(given, self._token)

    def make_admission(self, request: web.Request) -> web.Response:
        """Redirect to the page itself, so that the token does not stay in the address line."""
        home = f"{self.public.prefix if self.public else ''}/"
        answer = web.Response(status=303, headers={"Location": home})
        secure = self.public is not None and self.public.origin.startswith("https:")
        viewer = secrets.token_urlsafe(16)
        answer.set_cookie(
            self._cookie_name(request),
            f"{viewer}.{self._sign(viewer, request)}",
            httponly=True,
            samesite="Strict",
            secure=secure,
            path=home,
        )
        return answer

    def find_viewer(self, request: web.Request) -> str:
        """Return the viewer of an admitted request; empty for others."""
        viewer, _, signature = request.cookies.get(self._cookie_name(request), "").partition(".")
        return viewer if _is_equal(signature, self._sign(viewer, request)) else ""

    def _sign(self, viewer: str, request: web.Request) -> str:
        """Sign a viewer for one address: browsers send a cookie to every port of a host, also to a
        container's. Behind a proxy all viewers have the proxy's address."""
        address = "" if self.public else request.remote
        return hmac.new(self._key, f"{viewer} {address}".encode("utf-8", "replace"), "sha256").hexdigest()

    def _cookie_name(self, request: web.Request) -> str:
        """Return a name with the port: cookies ignore ports, and two servers on a host must not overwrite
        each other's cookies."""
        if self.public:
            return "hemostat"
        match = HOST_PATTERN.fullmatch(request.host)
        return f"hemostat-{match['port'] if match else ''}"

    @web.middleware
    async def check_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.should_admit(request):
            answer: web.StreamResponse = self.make_admission(request)
        elif why := self.find_refusal(request):
            answer = web.Response(status=403, text=f"hemostat: {why}\n")
        else:
            answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(SECURITY_HEADERS)
        return answer


def _is_equal(value: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(value.encode("utf-8", "replace"), expected.encode())


class Served(Server):
    """A textual-serve server behind a guard. It prints no banner, and uses the host name of each request for
    its own links."""

    def __init__(self, command: str, guard: Guard, listener: BoundedListener | None = None) -> None:
        super().__init__(command, title="HemoStat")
        self._guard = guard
        self._listener = listener
        self._processes = 0
        """Processes, including those of closed pages until they have ended."""
        self._open: Counter[str] = Counter()
        """Pages, by viewer."""

    async def make_app(self) -> web.Application:
        app = await self._make_app()
        app.middlewares.append(self._guard.check_request)
        if prefix := self._prefix:
            app.add_routes(
                [
                    web.get(prefix, self.handle_index),
                    web.get(f"{prefix}/", self.handle_index),
                    web.get(f"{prefix}/ws", self.handle_websocket),
                    web.get(f"{prefix}/download/{{key}}", self.handle_download),
                    web.static(f"{prefix}/static", self.statics_path),
                ]
            )
        return app

    @property
    def _prefix(self) -> str:
        return self._guard.public.prefix if self._guard.public else ""

    async def on_startup(self, app: web.Application) -> None:
        """Do nothing: the original banner names an address without a token."""

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        public = self._guard.public
        here = f"{public.origin}{public.prefix}" if public else f"http://{request.host}"
        context = {
            "font_size": 14,
            "app_websocket_url": f"{here.replace('http', 'ws', 1)}/ws",
            "config": {"static": {"url": f"{here}/static/"}},
            "application": {"name": self.title},
        }
        return aiohttp_jinja2.render_template("app_index.html", request, context)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        viewer = self._guard.find_viewer(request)
        if self._processes >= MAX_PAGES or self._open[viewer] >= MAX_PAGES_PER_VIEWER:
            raise web.HTTPServiceUnavailable(
                text=f"hemostat: the limit is {MAX_PAGES} pages, and {MAX_PAGES_PER_VIEWER} per viewer\n"
            )
        if self._listener is not None and request.transport is not None:
            self._listener.keep(request.transport.get_extra_info("socket").fileno())
        page = web.WebSocketResponse(heartbeat=15, max_msg_size=MAX_MESSAGE_BYTES)
        await page.prepare(request)

        async def close() -> None:
            await page.close()

        dashboard = Dashboard(
            self.command,
            write_bytes=page.send_bytes,
            write_str=lambda text: page.send_str(add_prefix(text, self._prefix)),
            close=close,
            download_manager=self.download_manager,
        )
        self._processes += 1
        self._open[viewer] += 1
        try:
            width, height = (to_int(request.query.get(name, ""), 80) for name in ("width", "height"))
            await dashboard.start(clamp(width, WIDTH_BOUNDS), clamp(height, HEIGHT_BOUNDS))
            with suppress(*MESSAGE_ERRORS):
                await self._process_messages(page, dashboard)
        finally:
            self._open[viewer] -= 1
            self._open += Counter()  # drops viewers without pages
            try:
                await dashboard.stop()
            finally:
                self._processes -= 1
        return page


def add_prefix(text: str, prefix: str) -> str:
    """Return a message to the page with the prefix added: the page's script expects downloads at the root of
    its host."""
    kind, *rest = json.loads(text)
    if kind != "deliver_file_start" or not prefix:
        return text
    return json.dumps(["open_url", {"url": f"{prefix}/download/{rest[0]}", "new_tab": True}])


class Dashboard(AppService):
    """The process behind a page. Each ends with the other."""

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        return {**super()._build_environment(width, height), "TEXTUAL_DRIVER": DRIVER_PATH}

    async def set_terminal_size(self, width: int, height: int) -> None:
        await super().set_terminal_size(clamp(width, WIDTH_BOUNDS), clamp(height, HEIGHT_BOUNDS))

    async def run(self) -> None:
        # A process that ends at once leaves textual-serve with a task cancelled before it started.
        with suppress(asyncio.CancelledError):
            await super().run()
        await self.remote_close()

    async def stop(self) -> None:
        if self._process is not None:
            await self.send_meta({"type": "quit"})
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await super().stop()


def serve(command: str, token: str, listener: socket.socket, public: PublicAddress | None = None) -> None:
    """Serve until SIGINT or SIGTERM. `command` is a shell command that runs the dashboard."""
    names = frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})
    served = Served(command, Guard(token, names, public), bounded := BoundedListener(listener))
    # Reports of malformed requests, and the log of requests, would contain the token.
    log.server_logger.addFilter(ClientErrorFilter())
    web.run_app(served.make_app(), sock=bounded, print=None, access_log=None, shutdown_timeout=2.0)
