"""Textual calls a handler by a name that it derives from the message's class. A handler of another name is
never called, and no error says so."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from textual.message import Message
from textual.message_pump import MessagePump

from hemostat import tui


def subclasses(base: type) -> Iterator[type]:
    for each in base.__subclasses__():
        yield each
        yield from subclasses(each)


def is_ours(each: type) -> bool:
    return each.__module__.startswith("hemostat.tui")


for module in pkgutil.walk_packages(tui.__path__, "hemostat.tui."):
    importlib.import_module(module.name)
MESSAGES = sorted({each for each in subclasses(Message) if is_ours(each)}, key=lambda each: each.__qualname__)
PUMPS = [each for each in subclasses(MessagePump) if is_ours(each)]
HANDLERS = {name: pump for pump in PUMPS for name in vars(pump) if name.startswith(("on_", "_on_"))}


def is_decorated(message: type[Message]) -> bool:
    return any(message in pump._decorated_handlers for pump in PUMPS)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each.__qualname__)
def test_each_message_class_has_a_handler_of_the_derived_name(message):
    assert message.handler_name in HANDLERS or f"_{message.handler_name}" in HANDLERS or is_decorated(message)


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_each_handler_has_the_derived_name_of_a_message_class(name):
    assert name.removeprefix("_") in {each.handler_name for each in subclasses(Message)}


def test_message_classes_and_handlers_are_found():
    assert len(MESSAGES) >= 5
    assert len(HANDLERS) >= 10
