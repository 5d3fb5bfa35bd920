"""Which backend is taken, and what is said of it."""

import functools

import pytest

from socketlab.errors import BackendError, SpecError
from socketlab.hosts import auto
from tests.unit.hosts.on_loopback import LoopbackBackend


def found(monkeypatch: pytest.MonkeyPatch, **probes: auto.Found) -> None:
    """Let the probes tell this."""
    for name, told in probes.items():
        # What a machine has is not ours to change.
        monkeypatch.setitem(auto._PROBES, name, functools.partial(auto.Found, *told))  # noqa: SLF001


CAN = auto.Found(usable=True, seen="Docker 99")
CANNOT = auto.Found(usable=False, seen="there is none")


def test_docker_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, docker=CAN, namespace=CAN)
    chosen = auto.choose("auto", {})
    assert chosen.backend.name == "docker"
    assert "Docker 99" in chosen.why


def test_else_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, docker=CANNOT, namespace=CAN)
    chosen = auto.choose("auto", {})
    assert chosen.backend.name == "namespace"
    assert "there is none" in chosen.why


def test_neither_tells_both_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, docker=CANNOT, namespace=auto.Found(usable=False, seen="a sysctl"))
    with pytest.raises(BackendError, match=r"there is none(?s:.*)a sysctl"):
        auto.choose("auto", {})


def test_by_name_nothing_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, docker=CANNOT, namespace=CANNOT)
    for name in auto.BACKENDS:
        assert auto.choose(name, {auto.VARIABLE: "nonsense"}).backend.name == name


def test_the_variable_takes_the_place_of_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, docker=CAN, namespace=CANNOT)
    chosen = auto.choose("auto", {auto.VARIABLE: "namespace"})
    assert chosen.backend.name == "namespace"
    assert auto.VARIABLE in chosen.why
    for nothing in ("", "auto"):
        assert auto.choose("auto", {auto.VARIABLE: nothing}).backend.name == "docker"


def test_no_such_backend() -> None:
    with pytest.raises(SpecError, match="docker, namespace"):
        auto.choose("podman", {})
    with pytest.raises(SpecError, match=auto.VARIABLE):
        auto.choose("auto", {auto.VARIABLE: "podman"})


def test_one_of_ones_own() -> None:
    backend = LoopbackBackend()
    assert auto.choose(backend, {auto.VARIABLE: "docker"}).backend is backend
