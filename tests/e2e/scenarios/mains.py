"""The main processes of the containers. One that has to fail waits for /tmp/go, and removes it at its next
start."""

from typing import Final

from tests.e2e.scenarios.model import IDLE

SPIN: Final = "trap 'exit 0' TERM; while :; do :; done"
STUBBORN: Final = "trap '' TERM; while :; do sleep 0.2; done"
"""Ignores SIGTERM, so that a stop ends with SIGKILL."""

WELL: Final = "test ! -e /tmp/go"
"""A health check that fails once /tmp/go exists."""
CURABLE: Final = f"rm -f /tmp/go; {IDLE}"

LISTEN: Final = "mkdir -p /tmp/www; echo ok >/tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
FRESH: Final = "test $(($(date +%s) - $(stat -c %Y /shared/alive))) -lt 2"
"""A health check that passes while the container that shares the volume is alive."""
ALIVE: Final = "trap 'exit 0' TERM; while :; do touch /shared/alive; sleep 0.2; done"


def on_go(then: str, meanwhile: str = "sleep 0.1") -> str:
    return (
        f"rm -f /tmp/go; trap 'exit 0' TERM; until [ -e /tmp/go ]; do {meanwhile}; done; rm /tmp/go; {then}"
    )


def fill(mib: int) -> str:
    """Occupy this much memory, in a file of memory that the kernel cannot drop."""
    return f"head -c {mib}m /dev/zero >/dev/shm/held"


def memory(mib: int) -> dict[str, object]:
    """Limit memory, and swap to the same value, so that no swap can be used."""
    return {"mem_limit": f"{mib}m", "memswap_limit": f"{mib}m", "shm_size": f"{mib}m"}


def cpus(cores: float) -> dict[str, object]:
    return {"nano_cpus": round(cores * 10**9)}
