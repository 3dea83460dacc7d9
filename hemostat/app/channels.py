"""How people are told: what speaks for each channel of the settings."""

from hemostat.config import Settings
from hemostat.ports import Notifier


def open_notifiers(settings: Settings) -> dict[str, Notifier]:
    """By channel. Raises ConfigError for a URL that cannot be used."""
    return {name: _notifier(name, channel.url) for name, channel in settings.channels.items()}


def _notifier(name: str, url: str) -> Notifier:
    """A web address is a webhook as Slack has it; Apprise knows the others."""
    if url.partition("://")[0].lower() in {"http", "https"}:
        from hemostat.adapters.slack import Slack

        return Slack(url)
    from hemostat.adapters.apprise import Apprise

    return Apprise(name, url)
