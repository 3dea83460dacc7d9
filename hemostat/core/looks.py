"""How the dashboard looks and which keys it has: the configuration table `tui`."""

from typing import Final

import msgspec


class Looks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `tui`."""

    keys: dict[str, str] = {}
    """Other keys, by what they do: {"quit": "Q"}; several with commas. `?` in the dashboard names them."""


DEFAULT: Final = Looks()
