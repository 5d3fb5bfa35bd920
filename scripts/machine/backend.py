"""Which backend the commands of scripts/ stand on: an engine, or network namespaces where there is none.

Theory of operation
    An engine that answers is what is used, and on a machine where one may be installed it is. Only where
    there is none (no docker, or its engine away, or out of reach for this user) namespaces take its place:
    they need nothing but Linux. `SOCKETLAB_BACKEND` chooses for itself; an engine that the user named by
    DOCKER_HOST and that is dead stays an error, since naming it was a choice, too.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scripts.machine import engine
from scripts.machine.errors import EngineAwayError, UsageError, indented
from scripts.machine.steps import step, tell
from socketlab.messages import say

VARIABLE = "SOCKETLAB_BACKEND"
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock", VARIABLE: ""}
"""For a program that shall find no engine, as on a machine without: all that speak with one look there."""

Backend: TypeAlias = Literal["docker", "namespace"]
_CHOICES = ("auto", "docker", "namespace")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is used.

    Args:
        backend: which.
        why: the sentence that says why there is no engine; empty: there is one.
    """

    backend: Backend
    why: str = ""


def asked(environ: Mapping[str, str] = os.environ) -> str:
    """What the user asked for: `auto`, `docker` or `namespace`.

    Raises:
        UsageError: something else.
    """
    value = environ.get(VARIABLE) or "auto"
    if value not in _CHOICES:
        raise UsageError(
            "machine.backend", variable=VARIABLE, seen=repr(value), expected=" | ".join(_CHOICES)
        )
    return value


def choose(*, install: bool) -> Choice:
    """Find or bring an engine; without one, say so plainly and take namespaces.

    Args:
        install: the user asked for an engine to be installed, so nothing else will do.

    Raises:
        UsageError: `SOCKETLAB_BACKEND` names no backend.
        LackingError: there is no engine, and nothing may take its place.
    """
    wanted = asked()
    if wanted == "namespace":
        choice = Choice("namespace", say("scripts.backend.asked", variable=VARIABLE))
    else:
        choice = _engine(install=install, alone=install or wanted == "docker")
    if choice.backend == "namespace":
        tell(say("scripts.backend.namespace", why=indented(choice.why)))
    return choice


def _engine(*, install: bool, alone: bool) -> Choice:
    with step("engine") as current:
        try:
            current.done("version", version=engine.ensure(current, asked=install))
        except EngineAwayError as error:
            if alone:
                raise
            current.done("no-engine")
            return Choice("namespace", str(error))
    return Choice("docker")
