"""The making of a lab from network namespaces.

Each lab has bridges in a namespace of its own, so no lab's subnets meet another's, nor the machine's: every
lab that asks for none gets the same ones.
"""

import itertools
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from socketlab.errors import BackendError, EndedError, HostError
from socketlab.hosts.namespace.machines import NamespaceMachines, setup_of
from socketlab.hosts.plan import LabPlan
from socketlab.hosts.resolve import resolve, subnets_wanted
from socketlab.hosts.spec import LabSpec
from socketlab.wire.nursery import Ask

if TYPE_CHECKING:
    from socketlab.hosts.namespace.nursery import Nursery

_numbers = itertools.count(1)


def subnets(spec: LabSpec) -> list[tuple[IPv4Network, IPv6Network | None]]:
    """Subnets for a lab's networks that have none of their own: from 10.213.7.0/24 and fd00:213:7::/64 on."""
    taken4 = [IPv4Network(each.subnet, strict=False) for each in spec.networks if _reads(each.subnet)]
    return list(itertools.islice(_free(taken4), subnets_wanted(spec)))


def _reads(subnet: str | None) -> bool:
    """Whether a subnet was given that can be read; `resolve` complains of others."""
    try:
        return subnet is not None and bool(IPv4Network(subnet, strict=False))
    except ValueError:
        return False


def _free(taken: list[IPv4Network]) -> Iterator[tuple[IPv4Network, IPv6Network | None]]:
    for third in range(7, 256):
        subnet = IPv4Network(f"10.213.{third}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            yield subnet, IPv6Network(f"fd00:213:{third}::/64")


class NamespaceBackend:
    """Hosts that are network namespaces of this machine."""

    name = "namespace"

    def open(self, spec: LabSpec) -> NamespaceMachines:
        """Make a lab's hosts.

        Raises:
            SpecError: the lab makes no sense.
            BackendError: this machine cannot; nothing is left behind.
        """
        if sys.platform != "linux":
            raise BackendError("namespace.needs-linux", platform=sys.platform)
        from socketlab.hosts.namespace.nursery import Nursery  # noqa: PLC0415 - needs Linux

        plan = resolve(spec, subnets(spec))
        try:
            return self._open(plan, Nursery.shared())
        except EndedError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            return self._open(plan, Nursery.shared())  # it was just dying: the next one is another

    def _open(self, plan: LabPlan, nursery: "Nursery") -> NamespaceMachines:
        number = next(_numbers)
        machines = NamespaceMachines(plan, nursery, number)
        try:
            nursery.ask(Ask(0, "open", number, setup=setup_of(plan)))
        except HostError as error:  # one that never was
            machines.close()
            raise BackendError(error.code, **error.details) from error
        except BaseException:
            machines.close()  # broken off, it may have been made all the same
            raise
        return machines
