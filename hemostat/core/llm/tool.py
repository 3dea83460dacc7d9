"""A tool as described to a model. It is a separate module so that code that only passes tools on imports
nothing more."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that a model may call. `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]
