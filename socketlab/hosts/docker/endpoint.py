"""Where the engine is, found as the docker command finds it.

`DOCKER_HOST` counts first, then `DOCKER_CONTEXT`, then the context that `docker context use` chose; without
any of these it is this machine's own socket. No connection is made here.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from socketlab.errors import BackendError

LOCAL = "unix:///var/run/docker.sock"
SCHEMES = ("unix", "tcp", "http", "https", "ssh")


@dataclass(frozen=True, slots=True)
class Tls:
    """What a TLS connection is made with.

    Args:
        ca: file of the authority that signed the engine's certificate; None: the system's.
        cert: file of our own certificate.
        key: file of its key.
        verify: whether the engine's certificate is checked.
    """

    ca: str | None
    cert: str | None
    key: str | None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An engine's place.

    Args:
        url: `unix:///var/run/docker.sock`, `tcp://10.0.0.5:2376`, `ssh://me@there`.
        origin: what named it, in words of the docker command.
        tls: of a TCP connection that is encrypted.
    """

    url: str
    origin: str
    tls: Tls | None = None

    @property
    def scheme(self) -> str:
        """How it is reached."""
        return self.url.partition("://")[0]

    @property
    def is_here(self) -> bool:
        """Whether its bridges lie among this machine's own routes."""
        return self.scheme == "unix"

    def as_json(self) -> dict[str, Any]:
        """For the reaper, which is told where to go."""
        tls = self.tls and [self.tls.ca, self.tls.cert, self.tls.key, self.tls.verify]
        return {"url": self.url, "origin": self.origin, "tls": tls}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Endpoint":
        """What `as_json` wrote."""
        return cls(told["url"], told["origin"], Tls(*told["tls"]) if told["tls"] else None)


def find(environ: Mapping[str, str] = os.environ) -> Endpoint:
    """The engine that the environment and the docker command's settings name.

    Args:
        environ: the environment.

    Raises:
        BackendError: they name a context that is not there, or a way that we do not have.
    """
    folder = Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    if host := environ.get("DOCKER_HOST"):
        return _checked(Endpoint(host, "DOCKER_HOST", _tls_of(environ, folder) if _is_tcp(host) else None))
    named = environ.get("DOCKER_CONTEXT")
    name = named or _current_context(folder)
    if name in {None, "", "default"}:
        return Endpoint(LOCAL, "default")
    return _checked(_context(folder, str(name), "DOCKER_CONTEXT" if named else "docker context use"))


def _is_tcp(url: str) -> bool:
    return urlsplit(url).scheme in {"tcp", "http", "https"}


def _checked(endpoint: Endpoint) -> Endpoint:
    if "://" not in endpoint.url or endpoint.scheme not in SCHEMES:
        raise BackendError(
            "docker.scheme", seen=endpoint.url, origin=endpoint.origin, expected=", ".join(SCHEMES)
        )
    return endpoint


def _tls_of(environ: Mapping[str, str], folder: Path) -> Tls | None:
    """As the docker command has it: DOCKER_TLS_VERIFY, with the files in DOCKER_CERT_PATH."""
    certificates = environ.get("DOCKER_CERT_PATH")
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not certificates:
        return None
    return _tls_in(Path(certificates) if certificates else folder, verify=verify)


def _tls_in(folder: Path, *, verify: bool) -> Tls:
    ca, cert, key = (
        str(file) if (file := folder / name).is_file() else None for name in ("ca.pem", "cert.pem", "key.pem")
    )
    return Tls(ca, cert, key, verify)


def _current_context(folder: Path) -> str | None:
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or one that the docker command would complain of
        return None
    current = settings.get("currentContext") if isinstance(settings, dict) else None
    return current if isinstance(current, str) else None


def _context(folder: Path, name: str, origin: str) -> Endpoint:
    """A context of the docker command's store: a folder named by the digest of its name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    try:
        told = json.loads((folder / f"contexts/meta/{digest}/meta.json").read_text(encoding="utf-8"))
        place = told["Endpoints"]["docker"]
        url = str(place["Host"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BackendError("docker.no-context", name=name, origin=origin) from error
    tls_folder = folder / f"contexts/tls/{digest}/docker"
    tls = _tls_in(tls_folder, verify=not place.get("SkipTLSVerify")) if tls_folder.is_dir() else None
    return Endpoint(url, f"context {name}", tls)
