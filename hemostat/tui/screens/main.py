"""The main screen: the containers, and the log of remediations beside or below them."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Footer, Input, Static

from hemostat.core.picture import ContainerState
from hemostat.core.text import clean
from hemostat.tui import grid, words
from hemostat.tui.lines import Lines
from hemostat.tui.model import Model
from hemostat.tui.screens.container import Container
from hemostat.tui.screens.incident import Incident
from hemostat.tui.screens.live import Live
from hemostat.tui.state import about, latest, seen, silence


class Main(Live):
    CSS_PATH = "main.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "down,j", "move(1)", "Next", key_display="↓ j", show=False, id="next", tooltip="next container"
        ),
        Binding(
            "up,k",
            "move(-1)",
            "Previous",
            key_display="↑ k",
            show=False,
            id="previous",
            tooltip="previous one",
        ),
        Binding("enter", "container", "Look", key_display="⏎", id="look", tooltip="look at this container"),
        Binding("i", "incident", "Incident", id="incident", tooltip="the latest incident, of this container"),
        Binding("l", "only", "Its log", id="log", tooltip="only the log of this container, or all again"),
        Binding("escape", "all", "All", key_display="esc", id="all", tooltip="all containers, the whole log"),
        Binding("slash", "filter", "Filter", key_display="/", id="filter", tooltip="filter by text, !text"),
        Binding("f", "faults", "Faults", id="faults", tooltip="only containers with a fault, or all again"),
    ]

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._shown: list[ContainerState] = []
        self._told: dict[str, Text] = {}
        """The log's lines by event: what happened does not change."""
        self._chosen: tuple[str, str] | None = None
        """Host and name of the container under the cursor."""
        self._only = False
        self._faults = False

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        with Vertical(id="body"):
            with Vertical(id="containers"):
                yield Static(id="header")
                yield Lines(id="grid")
            with Vertical(id="remediation"):
                yield Static(id="caption")
                yield Lines(follow=True, id="log")
        yield Static(id="status")
        yield Input(placeholder="filter: text, or !text for the others", id="filter", compact=True)
        yield Footer()

    # --- drawing ------------------------------------------------------------------------------------

    def draw(self) -> None:
        now = self.model.clock.now()
        picture = seen(self.model.state, now)
        wanted = self.query_one("#filter", Input).value
        self._shown = words.matching(picture.containers, wanted, faults=self._faults)
        self.write("title", words.title(picture))
        if self.model.replay is None:
            self.write("status", words.status(picture, silence(self.model.state, now)))
        else:
            self.write("status", words.recorded_status(picture))
        self._draw_grid(words.incidents(picture), several=len({each.host for each in picture.containers}) > 1)
        self._draw_log()

    def _draw_grid(self, incidents: dict[tuple[str, str], str], *, several: bool) -> None:
        lines = self.query_one("#grid", Lines)
        width = lines.size.width
        self.write("header", grid.header(width))
        places = [(each.host, each.name) for each in self._shown]
        lines.show(
            [
                grid.container(each, incidents.get(place, ""), width, several=several)
                for each, place in zip(self._shown, places, strict=True)
            ]
        )
        lines.point(places.index(self._chosen) if self._chosen in places else None)

    def _draw_log(self) -> None:
        chosen = self._chosen if self._only else None
        log = self.model.state.log
        events = log if chosen is None else about(log, *chosen)
        of = f" of {clean(chosen[1])}" if chosen else ""
        caption = Text(f"remediation log{of}")
        caption.append(self._reminder(), "bold")
        self.write("caption", caption)
        self._told = {each.id: self._told.get(each.id) or words.log_line(each) for each in log}
        self.query_one("#log", Lines).show([self._told[event.id] for event in events])

    def _reminder(self) -> str:
        """What is kept from sight, so that nobody takes it for gone."""
        wanted = self.query_one("#filter", Input).value
        parts = [f"filter {clean(wanted)}"] if wanted else []
        parts += ["faults only"] if self._faults else []
        return "".join(f"  [{part}]" for part in parts)

    # --- keys ---------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        places = [(each.host, each.name) for each in self._shown]
        if places:
            at = places.index(self._chosen) + step if self._chosen in places else 0
            self._chosen = places[max(0, min(at, len(places) - 1))]
            self.draw()

    def action_container(self) -> None:
        if self._chosen is None:
            self.action_move(0)
        if self._chosen is not None:
            self.app.push_screen(Container(self.model, *self._chosen))

    def action_incident(self) -> None:
        incident = latest(self.model.state.log, self._chosen)
        if incident is None:
            self.notify(
                "no incident is in the log" + (f" of {clean(self._chosen[1])}" if self._chosen else "")
            )
        else:
            self.app.push_screen(Incident(self.model, incident))

    def action_only(self) -> None:
        if self._chosen is None:
            self.action_move(0)
        self._only = self._chosen is not None and not self._only
        self.draw()

    def action_all(self) -> None:
        field = self.query_one("#filter", Input)
        field.value, field.display = "", False
        self.set_focus(None)
        self._only = self._faults = False
        self.draw()

    def action_faults(self) -> None:
        self._faults = not self._faults
        self.draw()

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def on_input_changed(self) -> None:
        self.draw()

    def on_input_submitted(self) -> None:
        self.query_one("#filter", Input).display = False
        self.set_focus(None)
