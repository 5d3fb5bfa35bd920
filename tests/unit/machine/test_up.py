"""What `scripts/up` finds out before it does anything long. On the engine itself."""

import os
import secrets
from collections.abc import Mapping

import pytest

from scripts.machine import base_image
from scripts.machine.docker_cli import docker
from scripts.machine.errors import LackingError
from scripts.machine.run_lock import RUN_LABEL, RUN_VARIABLE
from scripts.machine.steps import Step
from tests.unit.machine.conftest import Command

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("running_engine")]


def environ(**settings: str) -> Mapping[str, str]:
    """An environment in which a mistake of ours would bring up a lab of the test's own, never the user's."""
    project = f"socketlab-test-{secrets.token_hex(4)}"
    return {**os.environ, "LANG": "en_GB.UTF-8", "LC_ALL": "", "COMPOSE_PROJECT_NAME": project, **settings}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"LAB_NET": "10.213.7.0/24"},
            "LAB_NET: expected a prefix without a mask like 10.213.7, saw '10.213.7.0/24'",
        ),
        (
            {"LAB_NET6": "fd00::"},
            "LAB_NET6: expected a prefix without a mask like fd00:213:7:0, saw 'fd00::'",
        ),
        (
            {"LAB_NET": "8.8.8"},
            "LAB_NET: expected a private prefix, in 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16",
        ),
    ],
)
def test_a_prefix_that_is_none_is_refused(command: Command, settings: Mapping[str, str], says: str) -> None:
    done = command("scripts/up", environ=environ(**settings))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_network_that_is_taken_is_told_and_a_free_one_proposed(command: Command) -> None:
    name = f"socketlab-test-{secrets.token_hex(4)}"
    prefix = f"10.215.{secrets.randbelow(256)}"
    label = f"{RUN_LABEL}={os.environ[RUN_VARIABLE]}"
    docker("network", "create", "--internal", "--label", label, "--subnet", f"{prefix}.64/28", name)
    try:
        done = command("scripts/up", environ=environ(LAB_NET=prefix))
    finally:
        docker("network", "rm", name)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"{prefix}.0/24 overlaps with {prefix}.64/28, of the engine's network {name}" in done.stderr
    assert "This one is free: LAB_NET=10.213." in done.stderr


def test_a_base_image_that_was_asked_for_and_cannot_be_had_is_said_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(base_image.VARIABLE, "localhost:1/no/such:image")
    with pytest.raises(LackingError) as refused:
        base_image.ensure(Step(), remake=False)
    assert refused.value.code == "machine.base-image"
    assert refused.value.details["image"] == "localhost:1/no/such:image"
