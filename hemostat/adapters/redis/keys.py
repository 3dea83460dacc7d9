"""Names that must be known without the client library, whose import takes longer than shell completion."""

from typing import Final

PREFIX: Final = "hemostat:"
SOCKET_NAME: Final = "redis.sock"
"""The embedded server's socket in the state directory."""
APPROVALS_KEY: Final = f"{PREFIX}approvals"
LIVE_PREFIX: Final = f"{PREFIX}live:"
STATS_PREFIX: Final = f"{PREFIX}stats:"
