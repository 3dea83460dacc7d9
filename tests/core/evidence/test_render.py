"""An evidence snapshot as rows under headings."""

from hemostat.core.evidence.render import build_sections
from hemostat.core.evidence.snapshot import MetricPoint
from tests.support.advisors import dossier
from tests.support.samples import NOW, alert


def test_evidence_shows_the_latest_samples_only():
    samples = tuple(MetricPoint(NOW + number, 50.0, 1 << 20) for number in range(60))
    sections = dict(build_sections(dossier(alert(), samples=samples), lambda time: f"{time - NOW:.0f} s"))
    assert [row.split(" cpu")[0] for row in sections["samples"]] == [
        f"{number} s" for number in range(50, 60)
    ]
