"""The lab that `compose.yaml` describes, read for a backend that is not Compose. No I/O.

So names, addresses and the agents' standing faults are written once, there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_STANDING = "--standing="
_AGENT = "-agent"
NETWORK = "lab"
HOSTS = ("server", "client")
"""The hosts of the tour; those of the profile `mine` are a learner's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedHost:
    """A host.

    Args:
        name: its hostname.
        address: IPv4.
        address6: IPv6.
        environ: the variables of the program that runs there.
        standing: faults that its agent holds from the start, in the agent's own words.
    """

    name: str
    address: str
    address6: str
    environ: Mapping[str, str]
    standing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedLab:
    """The lab.

    Args:
        name: of the Compose project.
        subnet: IPv4.
        subnet6: IPv6.
        hosts: in the order of `HOSTS`.
    """

    name: str
    subnet: str
    subnet6: str
    hosts: tuple[DescribedHost, ...]


def read(text: str, settings: Mapping[str, str]) -> DescribedLab:
    """Read the lab from the text of `compose.yaml`.

    Args:
        text: of the file.
        settings: the variables that move it; what is not set has the default that stands in the file.
    """
    described = yaml.safe_load(_filled_in(text, settings))
    services = described["services"]
    pools = described["networks"][NETWORK]["ipam"]["config"]
    subnet, subnet6 = (str(pool["subnet"]) for pool in pools)
    hosts = tuple(_host(name, services) for name in HOSTS)
    return DescribedLab(name=str(described["name"]), subnet=subnet, subnet6=subnet6, hosts=hosts)


def _filled_in(text: str, settings: Mapping[str, str]) -> str:
    """The text with its variables filled in, as Compose does it: an empty value counts as not set."""
    return _VARIABLE.sub(lambda found: settings.get(found["name"]) or found["default"] or "", text)


def _host(name: str, services: Mapping[str, Any]) -> DescribedHost:
    service = services[name]
    place = service["networks"][NETWORK]
    words = services[f"{name}{_AGENT}"]["command"]
    return DescribedHost(
        name=str(service["hostname"]),
        address=str(place["ipv4_address"]),
        address6=str(place["ipv6_address"]),
        environ={key: str(value) for key, value in service["environment"].items()},
        standing=tuple(word.removeprefix(_STANDING) for word in words if word.startswith(_STANDING)),
    )
