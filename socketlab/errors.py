"""The errors of what runs outside a host.

SocketlabError
└── LabError
    ├── SpecError        a lab, a file or an argument that makes no sense: whoever wrote it is to mend it
    ├── BackendError     the machine or the engine cannot: the sentence says what to do
    ├── HostError        a host in a state in which that cannot be done, or a backend that never can
    ├── EndedError       the program, the host or the lab on the other end of a stream is gone
    ├── CallError        a call on an actor that was not made: over a limit, cancelled, never awaited
    ├── UsageError       an object of ours used as what it is not: a socket over there given to `select`
    └── FaultsError      a fault that cannot be had, listed or healed: the sentence says why
        ├── AgentError       a host's agent said no; its sentences are the agent's own
        └── NotProvenError   a fault does not bite as it should, or bites what it should not
"""

from typing import ClassVar

from socketlab.messages import OF_AGENTS, SENTENCES, say
from socketlab.wire.errors import SocketlabError
from socketlab.wire.text import Catalogue


class LabError(SocketlabError):
    """An error of a lab; its sentence is in `socketlab.messages` under `error.<code>`."""

    sentences: ClassVar[Catalogue] = SENTENCES


class SpecError(LabError):
    """A lab, a file or an argument that makes no sense."""


class BackendError(LabError):
    """The machine or the engine cannot make what was asked for."""


class HostError(LabError):
    """A host is in a state in which that cannot be done, or its backend can never do it."""


class EndedError(LabError):
    """The program, the host or the lab on the other end of a stream is gone."""


class CallError(LabError):
    """A call on a host was not made, or nobody waited for it."""


class UsageError(LabError, TypeError):
    """An object of ours was used as what it is not."""


class FaultsError(LabError):
    """A fault cannot be put in force, listed or healed."""


class AgentError(FaultsError):
    """A host's agent, or a program like it, said no. The code and its sentence are the agent's."""

    sentences: ClassVar[Catalogue] = OF_AGENTS

    def __str__(self) -> str:
        try:
            return super().__str__()
        except KeyError:  # of another release than ours
            details = ", ".join(f"{name} {seen}" for name, seen in self.details.items())
            return say("error.faults.agent-says", code=ascii(self.code)[:60], details=details)

    @property
    def is_lacking(self) -> bool:
        """Whether the machine lacks what was asked for: no other words would help."""
        return self.code in {"agent.lacks", "agent.no-nf-tables", "agent.no-net-admin"}


class NotProvenError(FaultsError):
    """A fault does not bite as it should, or bites what it should not; it has been taken out again."""
