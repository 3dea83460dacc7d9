"""Where events are kept, and for how long: the configuration table `store`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hemostat.core.units import Seconds


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `store`."""

    url: str = ""
    """postgresql:// or sqlite:/// address; empty: an SQLite file in the state directory."""
    url_file: str = ""
    """A file whose first line is the URL, so that a password in it need not stand here."""
    audit_key_file: str = ""
    """A file with a key of at least 16 characters on its first line, which signs the audit trail, and former
    keys on the lines below; empty: the systemd credential `hemostat-audit-key`, else no key."""
    audit_syslog: bool = True
    """Whether the end of the audit trail goes to the system's log every hour, where there is /dev/log."""
    retention: Seconds = 31_536_000.0
    """How long an event is kept; 0 is for ever."""
    max_events: Annotated[int, Meta(ge=0)] = 0
    """How many events are kept at most, the newest of them; 0 is all."""
    compact: bool = True
    """Whether an SQLite file gives space back to the filesystem when old events are removed from it."""
