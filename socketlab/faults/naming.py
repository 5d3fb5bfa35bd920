"""What a lab's name server answers, changed from here: by its control socket, over an actor of our own.

Theory of operation
    The server (`services.names`) listens on an abstract Unix socket of its host. It takes JSON lines, one
    answer to each, and forgets whatever a connection has changed when that connection ends: so names heal
    when we die, like every lease. The socket is made by an actor that nobody else uses, so what is said here
    is nobody's socket call. After the names host was booted, all that is in force is said again.
"""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from socketlab.errors import EndedError, FaultsError, LabError
from socketlab.faults.model import Dns
from socketlab.hosts.backend import Stream
from socketlab.hosts.plan import HostPlan
from socketlab.sockets import Actor, Socket
from socketlab.wire.words import near

CONTROL: Final = "\0socketlab-names"
"""As `services.names.control` has it; a test compares them."""
_SECONDS: Final = 10.0
_READ: Final = 65_536


class NamesPart:
    """What one name is answered with.

    Args:
        names: the way to the name server.
        fault: what.
        number: unique among them.
    """

    def __init__(self, names: "Names", fault: Dns, number: int) -> None:
        self.names = names
        self.fault = fault
        self.number = number
        self.trouble: LabError | None = None
        self.before = 0
        self.asked = 0

    @property
    def host(self) -> str:
        """Where."""
        return self.names.host

    def put(self) -> None:
        """Put it in force."""
        self.names.put(self)

    def take_away(self) -> None:
        """Take it out."""
        self.names.take_away(self)

    def words(self) -> dict[str, Any]:
        """As the server is asked for it."""
        return {
            "do": "answer",
            "id": self.number,
            "name": self.fault.name,
            "answer": self.fault.answer,
            "seconds": self.fault.seconds or 0.0,
            "addresses": list(self.fault.addresses),
        }

    @property
    def bitten(self) -> int:
        """Questions so answered, as last heard."""
        return self.before + self.asked


class Names:
    """The way to a lab's name server.

    Args:
        plan: of its host.
        dial: gives a stream to a new actor on a host.
    """

    def __init__(self, plan: HostPlan, dial: Callable[[str], Stream]) -> None:
        self.host = plan.name
        self._known = {record.name.lower() for record in plan.records}
        self._dial = dial
        self._lock = threading.RLock()
        self._actor: Actor | None = None
        self._socket: Socket | None = None
        self._parts: list[NamesPart] = []

    def put(self, part: NamesPart) -> None:
        """Put a name's answer in force.

        Raises:
            FaultsError: the server does not know the name, or is away.
        """
        name = part.fault.name
        if name not in self._known and part.fault.answer != "address":
            known = ", ".join(sorted(each for each in self._known if not each.endswith(".arpa"))) or "-"
            if alike := near(name, self._known):
                raise FaultsError("faults.unknown-name-alike", seen=ascii(name), host=self.host, alike=alike)
            raise FaultsError("faults.unknown-name", seen=ascii(name), host=self.host, known=known)
        with self._lock:
            self._reached()
            self._ask(part.words())
            self._parts.append(part)

    def take_away(self, part: NamesPart) -> None:
        """Take it out, with its last count."""
        with self._lock:
            if part not in self._parts:
                return
            self._parts.remove(part)
            if self._socket is None or self._actor is None or self._actor.ended:
                return  # the server has forgotten it
            try:
                part.asked = int(self._ask({"do": "heal", "id": part.number}).get("asked", 0))
            except FaultsError:
                self._leave()  # what it cannot be told, it notices

    def look(self) -> None:
        """Have the counts as they are now."""
        with self._lock:
            if not self._parts or self._socket is None:
                return
            with suppress(FaultsError):
                counts = self._ask({"do": "counts"}).get("counts", {})
                for part in self._parts:
                    part.asked = int(counts.get(str(part.number), part.asked))

    def gone(self) -> None:
        """Its host has been killed or stopped."""
        with self._lock:
            self._leave()

    def back(self) -> None:
        """Its host has been booted, and its server answers again."""
        with self._lock:
            self._leave()
            if self._parts:
                self._reached()

    def close(self) -> None:
        """Leave the server; it forgets what we have said."""
        self._leave()

    def _reached(self) -> None:
        if self._socket is not None and self._actor is not None and not self._actor.ended:
            return
        self._leave()
        try:
            self._actor = Actor(self._dial(self.host), host=self.host)
            self._socket = self._actor.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(_SECONDS)
            self._socket.connect(CONTROL)
        except (OSError, LabError) as error:
            self._leave()
            raise FaultsError("faults.names-away", host=self.host, why=error) from error
        for part in self._parts:
            part.before, part.asked = part.bitten, 0
            self._ask(part.words())

    def _ask(self, words: dict[str, Any]) -> dict[str, Any]:
        assert self._socket is not None  # noqa: S101 - `_reached`
        try:
            self._socket.sendall(json.dumps(words).encode() + b"\n")
            line = b""
            while not line.endswith(b"\n"):
                data = self._socket.recv(_READ)
                if not data:
                    raise EndedError("faults.names-away", host=self.host, why="EOF")
                line += data
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError, LabError) as error:
            raise FaultsError("faults.names-away", host=self.host, why=error) from error
        if "error" in answer:
            raise FaultsError("faults.names-refused", host=self.host, why=ascii(answer["error"])[:200])
        return answer

    def _leave(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None:
            with suppress(OSError, LabError):
                sock.close()
        actor, self._actor = self._actor, None
        if actor is not None:
            with suppress(LabError):
                actor.close()
