"""The engine is looked for where the docker command looks."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from socketlab.errors import BackendError
from socketlab.hosts.docker.endpoint import LOCAL, Endpoint, find


def context(folder: Path, name: str, **endpoint: Any) -> None:
    """A context as `docker context create` writes it."""
    meta = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}))


def environ(folder: Path, **more: str) -> dict[str, str]:
    return {"DOCKER_CONFIG": str(folder), **more}


def test_without_anything_it_is_this_machines(tmp_path: Path) -> None:
    assert find(environ(tmp_path)) == Endpoint(LOCAL, "default")
    assert find(environ(tmp_path)).is_here


def test_chosen_context_then_variable_then_host(tmp_path: Path) -> None:
    context(tmp_path, "chosen", Host="unix:///run/chosen.sock")
    context(tmp_path, "named", Host="ssh://me@there")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "chosen"}))
    assert find(environ(tmp_path)).url == "unix:///run/chosen.sock"
    named = environ(tmp_path, DOCKER_CONTEXT="named")
    assert find(named) == Endpoint("ssh://me@there", "context named")
    assert not find(named).is_here
    assert find({**named, "DOCKER_HOST": "tcp://10.0.0.5:2375"}).url == "tcp://10.0.0.5:2375"
    assert find({**named, "DOCKER_CONTEXT": "default"}).url == LOCAL


@pytest.mark.parametrize("settings", ["", "{", "[]", '{"currentContext": 7}', '{"currentContext": ""}'])
def test_settings_without_a_context_are_the_default(tmp_path: Path, settings: str) -> None:
    (tmp_path / "config.json").write_text(settings)
    assert find(environ(tmp_path)).url == LOCAL


@pytest.mark.parametrize("told", ["", "[]", "{}", '{"Endpoints": {"docker": {}}}'])
def test_broken_context_is_told(tmp_path: Path, told: str) -> None:
    context(tmp_path, "broken")
    (file,) = tmp_path.rglob("meta.json")
    file.write_text(told)
    with pytest.raises(BackendError, match="broken") as refused:
        find(environ(tmp_path, DOCKER_CONTEXT="broken"))
    assert refused.value.code == "docker.no-context"


def test_missing_context_is_told_with_who_named_it(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="DOCKER_CONTEXT"):
        find(environ(tmp_path, DOCKER_CONTEXT="nowhere"))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "nowhere"}))
    with pytest.raises(BackendError, match="docker context use"):
        find(environ(tmp_path))


@pytest.mark.parametrize("url", ["10.0.0.5:2375", "npipe:////./pipe/docker_engine", "ftp://there", "/run/x"])
def test_way_that_we_do_not_have(tmp_path: Path, url: str) -> None:
    with pytest.raises(BackendError) as refused:
        find(environ(tmp_path, DOCKER_HOST=url))
    assert refused.value.code == "docker.scheme"
    assert url in str(refused.value)


def test_tls_by_variables(tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    host = {"DOCKER_HOST": "tcp://10.0.0.5:2376"}
    assert find(environ(tmp_path, **host)).tls is None
    verified = find(environ(tmp_path, **host, DOCKER_TLS_VERIFY="1")).tls
    assert verified is not None
    assert (verified.ca, verified.verify) == (str(tmp_path / "ca.pem"), True)
    unverified = find(environ(tmp_path, **host, DOCKER_CERT_PATH=str(tmp_path))).tls
    assert unverified is not None
    assert not unverified.verify


def test_tls_of_a_context(tmp_path: Path) -> None:
    context(tmp_path, "far", Host="tcp://10.0.0.5:2376", SkipTLSVerify=True)
    folder = tmp_path / "contexts/tls" / hashlib.sha256(b"far").hexdigest() / "docker"
    folder.mkdir(parents=True)
    (folder / "ca.pem").touch()
    tls = find(environ(tmp_path, DOCKER_CONTEXT="far")).tls
    assert tls is not None
    assert (tls.ca, tls.cert, tls.verify) == (str(folder / "ca.pem"), None, False)


def test_endpoint_comes_to_the_reaper_as_it_left(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    for variables in ({}, {"DOCKER_HOST": "tcp://10.0.0.5:2376", "DOCKER_TLS_VERIFY": "1"}):
        endpoint = find(environ(tmp_path, **variables))
        assert Endpoint.from_json(json.loads(json.dumps(endpoint.as_json()))) == endpoint
