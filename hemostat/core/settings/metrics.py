"""Where numbers are served for Prometheus: the configuration table `metrics`."""

from typing import Annotated, Final

import msgspec

LOOPBACK: Final = "127.0.0.1"
METRICS: Final = f"{LOOPBACK}:9740"
MAX_PORT: Final = 65535


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `metrics`."""

    address: str = ""
    """host:port of `/metrics`; empty: `hemostat all` serves none, `hemostat metrics` on METRICS."""
    containers: Annotated[int, msgspec.Meta(ge=0)] = 100
    """How many containers have numbers of their own; the others share one name."""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port. Raises ValueError."""
        host, colon, port = (self.address or METRICS).rpartition(":")
        if not colon or not port.isdecimal() or not 0 <= int(port) <= MAX_PORT:
            raise ValueError(f"{self.address!r} is not host:port")
        return host.strip("[]") or LOOPBACK, int(port)
