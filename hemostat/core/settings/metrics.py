"""The configuration table `metrics`: where metrics are served for Prometheus."""

from typing import Annotated, Final

import msgspec

from hemostat.core.text import quote_text

LOOPBACK_ADDRESS: Final = "127.0.0.1"
DEFAULT_METRICS_ADDRESS: Final = f"{LOOPBACK_ADDRESS}:9740"
MAX_PORT: Final = 65535


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `metrics`."""

    address: str = ""
    """host:port of `/metrics`. Empty: `hemostat all` serves no metrics, `hemostat metrics` uses
    DEFAULT_METRICS_ADDRESS."""
    containers: Annotated[int, msgspec.Meta(ge=0)] = 100
    """Containers with metrics of their own. All others share one name."""

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Host and port. Raises ValueError."""
        host, colon, port = (self.address or DEFAULT_METRICS_ADDRESS).rpartition(":")
        if not colon or not port.isdecimal() or not 0 <= int(port) <= MAX_PORT:
            raise ValueError(f"{quote_text(self.address)} is not host:port")
        return host.strip("[]") or LOOPBACK_ADDRESS, int(port)
