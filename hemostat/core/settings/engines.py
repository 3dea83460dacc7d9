"""The configuration tables `engine` and `engines`: the address of one engine, or of several by host."""

from collections.abc import Mapping

import msgspec

from hemostat.core.text import quote_text


class EngineAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str = ""
    """Address of the engine; empty: DOCKER_HOST, else docker's current context."""
    ca_file: str = ""
    """PEM certificates of the authorities trusted for tcp://; empty: DOCKER_CERT_PATH's, else Python's."""
    cert_file: str = ""
    """PEM certificate to show to an engine that asks for one."""
    key_file: str = ""
    """PEM private key of that certificate."""


def expand_urls(raw: object) -> object:
    """Return the table `engines` with a table in place of each engine that is only a URL. Raises ValueError
    for an engine that is neither."""
    if not isinstance(raw, Mapping):
        return raw
    wrong = [name for name, each in raw.items() if not isinstance(each, str | Mapping)]
    if wrong:
        raise ValueError(f"{quote_text(str(wrong[0]))} is neither a URL nor a table with `url`")
    return {name: {"url": each} if isinstance(each, str) else each for name, each in raw.items()}
