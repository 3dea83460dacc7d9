"""`hemostat metrics`: serves metrics for Prometheus until stopped."""

import click

from hemostat.cli.options import Globals
from hemostat.cli.run.roles import make_instance_name, make_ready_callback, stop_on_signals


@click.command()
@click.option("--instance", default=make_instance_name, hidden=True)
@click.option("--parent", type=int, hidden=True)
@click.option("--ready", type=int, hidden=True)
@click.pass_obj
def metrics(options: Globals, instance: str, parent: int | None, ready: int | None) -> int:  # noqa: ARG001
    """Serve metrics for Prometheus, by default on http://127.0.0.1:9740/metrics.

    Reads the events of the roles in Redis, on any host. One instance is enough for all hosts.
    """
    from hemostat import app

    if parent is not None:
        from hemostat.supervisor.child_process import die_with_parent

        die_with_parent(parent)
    settings = options.load_settings()
    options.start_logging()
    with stop_on_signals() as stop:
        app.run_metrics(settings, stop=stop.event, on_ready=make_ready_callback(ready))
        return stop.exit_code
