"""The EvidenceStore port: one hash an incident, which expires a week after the last snapshot."""

from typing import Any, Final

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.rows import read_rows
from hemostat.core.evidence.snapshot import EvidenceSnapshot, encode, is_valid_snapshot

KEPT_SECONDS: Final = 7 * 24 * 3600
"""Seconds after the last snapshot."""
MAX_SNAPSHOTS: Final = 10
"""Snapshots of one incident."""

PUT_SCRIPT: Final = """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[3])
local fields = redis.call('HKEYS', KEYS[1])
table.sort(fields, function(a, b)
  local x, y = tonumber(string.match(a, '^%d+') or 0), tonumber(string.match(b, '^%d+') or 0)
  if x ~= y then return x < y end
  return tonumber(string.match(a, '%d+$') or 0) < tonumber(string.match(b, '%d+$') or 0)
end)
for i = 1, #fields - ARGV[4] do redis.call('HDEL', KEYS[1], fields[i]) end
return 1
"""


class RedisEvidence:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._put_script = client.raw.register_script(PUT_SCRIPT)

    def put(self, incident: str, snapshot: EvidenceSnapshot) -> bool:
        field = f"{snapshot.occurrence}:{snapshot.rung}"
        with self._client.call():
            answer: Any = self._put_script(
                keys=[_make_key(incident)], args=[field, encode(snapshot), KEPT_SECONDS, MAX_SNAPSHOTS]
            )
        return bool(answer)

    def get(self, incident: str) -> list[EvidenceSnapshot]:
        with self._client.call() as raw:
            rows: Any = raw.hvals(_make_key(incident))
        return sorted(
            filter(is_valid_snapshot, read_rows(rows, EvidenceSnapshot)),
            key=lambda snapshot: (snapshot.occurrence, snapshot.rung),
        )


def _make_key(incident: str) -> str:
    return f"{PREFIX}evidence:{incident}"
