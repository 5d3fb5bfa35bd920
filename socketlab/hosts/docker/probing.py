"""Whether there is an engine that can be used, asked cheaply."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from socketlab.errors import BackendError
from socketlab.hosts.docker.endpoint import Endpoint, find
from socketlab.hosts.docker.engine import Engine, EngineError, segment
from socketlab.hosts.docker.recipe import AGENT_IMAGE, HOST_IMAGE


@dataclass(frozen=True, slots=True)
class Probe:
    """What asking the engine gave.

    Args:
        usable: whether labs can be made there.
        why_not: what is in the way, and what to do; empty where nothing is.
        kind: `Docker`, `Docker Desktop`, `Docker, rootless` or `Podman`; empty without an answer.
        version: of the engine.
        api: the newest version of its interface.
        where: its address.
        error: what `why_not` says, to be raised.
    """

    usable: bool
    why_not: str = ""
    kind: str = ""
    version: str = ""
    api: str = ""
    where: str = ""
    error: BackendError | None = None

    @property
    def why(self) -> str:
        """The engine and its version, or why it cannot be used and what to do."""
        return f"{self.kind} {self.version}" if self.usable else self.why_not


def probe(endpoint: Endpoint | None = None) -> Probe:
    """Ask the engine who it is, and whether it has the lab's images. Raises nothing.

    Args:
        endpoint: where; None: the one that the docker command would use.
    """
    where = kind = version = api = ""
    try:
        place = endpoint or find()
        where = place.url
        engine = Engine(place)
        try:
            told = engine.version()
            version, api = str(told.get("Version", "")), str(told.get("ApiVersion", ""))
            kind = kind_of(told, engine.ask("GET", "/info"))
            for image in (HOST_IMAGE, AGENT_IMAGE):
                _need_image(engine, image)
        finally:
            engine.close()
    except BackendError as error:
        return Probe(
            usable=False, why_not=str(error), kind=kind, version=version, api=api, where=where, error=error
        )
    return Probe(usable=True, kind=kind, version=version, api=api, where=where)


def kind_of(version: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """Which engine answers, by what it says of itself.

    Args:
        version: its answer to `/version`.
        info: its answer to `/info`.
    """
    components = version.get("Components") or []
    if any("podman" in str(part.get("Name", "")).lower() for part in components):
        return "Podman"
    platform = str((version.get("Platform") or {}).get("Name", ""))
    if "desktop" in f"{platform} {info.get('OperatingSystem', '')}".lower():
        return "Docker Desktop"
    if any("rootless" in option for option in info.get("SecurityOptions") or []):
        return "Docker, rootless"
    return "Docker"


def _need_image(engine: Engine, image: str) -> None:
    try:
        engine.ask("GET", f"/images/{segment(image)}/json")
    except EngineError as error:
        raise BackendError("docker.image", image=image) from error
