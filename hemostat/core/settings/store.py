"""The configuration table `store`: where events are stored, and for how long."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hemostat.core.units import Bytes, Seconds


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `store`."""

    url: str = ""
    """postgresql:// or sqlite:/// address. Empty: an SQLite file in the state directory."""
    url_file: str = ""
    """A file whose first line is the URL, so that a password in the URL need not be in the configuration."""
    audit_key_file: str = ""
    """A file whose first line is the key that signs the audit chain, at least 16 characters long. Former keys
    are on the lines below. Empty: the systemd credential `hemostat-audit-key`, else no key."""
    audit_syslog: bool = True
    """Whether the last hash of the audit chain goes to the system log every hour, if /dev/log exists."""
    retention: Seconds = 31_536_000.0
    """Seconds for which an event is stored; 0 means forever."""
    max_events: Annotated[int, Meta(ge=0)] = 1_000_000
    """Maximum number of stored events, of which the newest are kept; 0 means all."""
    max_size: Bytes = 2 << 30
    """Bytes that the events in an SQLite file may take, beyond which the oldest are removed; 0 means any."""
    compact: bool = True
    """Whether an SQLite file returns space to the filesystem when old events are removed."""
