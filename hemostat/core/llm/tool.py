"""A tool as a model is told of it. Apart, so that whoever only passes it on carries no more."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """What a model may call. `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]
