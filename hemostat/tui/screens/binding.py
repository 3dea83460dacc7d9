"""How the views name a key: in the footer, in the help, and in the configuration."""

from textual.binding import Binding


def make_binding(
    keys: str,
    action: str,
    label: str,
    name: str,
    tooltip: str,
    *,
    shown: bool = False,
    display: str | None = None,
) -> Binding:
    """`shown`: in the footer, too; `name` is the configuration's."""
    return Binding(keys, action, label, show=shown, key_display=display, id=name, tooltip=tooltip)
