"""Everything that is fetched to build, test and run HemoStat is identified by its content."""

import json
import re

import pytest
import yaml

from tests.docs.made import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+)*")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path):
    used = re.findall(r"uses: (.+)", path.read_text("utf-8"))
    assert [each for each in used if not ACTION.fullmatch(each)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_read_only_without_credentials(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("name", ["Dockerfile", "demos/setup.sh", "docs/DEPLOYMENT.md", *WORKFLOWS])
def test_packages_are_installed_by_hash(name):
    """What has no hash is HemoStat itself, or what HEMOSTAT_NEWEST=1 asks for: the newest of all."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    installs = [line for line in lines if re.search(r"pip(_install| install| download) ", line)]
    loose = [
        line
        for line in installs
        if not re.search(
            r"--require-hashes|--no-deps --no-build-isolation|--no-deps /dist|--upgrade|\(\)", line
        )
    ]
    assert loose == []


def test_renovate_pins_images_and_actions():
    """A digest can be asked of a registry only; a tag in the repository is pinned by the bot."""
    settings = json.loads((ROOT / ".github/renovate.json").read_text("utf-8"))
    assert {"docker:pinDigests", "helpers:pinGitHubActionDigests"} <= {*settings["extends"]}
    assert {"dockerfile", "docker-compose", "github-actions"} == {*settings["enabledManagers"]}


def test_image_is_built_with_sbom_and_provenance():
    text = (ROOT / ".github/workflows/image.yml").read_text("utf-8")
    assert "--sbom=true --provenance=mode=max" in text


def test_vulnerability_reports_are_documented():
    assert "Report a vulnerability" in (ROOT / ".github/SECURITY.md").read_text("utf-8")
