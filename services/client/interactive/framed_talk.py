"""framed: a typed line is a request, an answer is shown with its id and round trip time. No I/O."""

import json
from collections.abc import Callable, Sequence
from typing import Final

from services.client.interactive.talk import (
    NETWORK_SAID_NO,
    Heard,
    Notice,
    Send,
    Step,
    Talk,
    broken,
    to_bytes,
)
from services.client.words import duration
from services.messages import say
from services.protocol.errors import LocalProtocolError, RemoteProtocolError
from services.protocol.framed_client import (
    Answer,
    Ended,
    FramedCaller,
    FramedClient,
    FramedEvent,
    Lost,
    Refused,
    Welcomed,
)
from services.protocol.framing import JSON

_OBJECT: Final = "{"


class _Asking(Talk):
    """What both transports have: requests made of lines, and the time each one took."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: dict[int, float] = {}

    def typed(self, text: str) -> list[Step]:
        """Ask it."""
        try:
            return self._ask(payload_of(text))
        except (ValueError, RecursionError) as error:
            return [Notice(say("interactive.not-json", why=error))]
        except LocalProtocolError as error:
            return [Notice(say("interactive.not-sent", what=error))]

    def _ask(self, payload: dict[str, JSON]) -> list[Step]:
        raise NotImplementedError

    def _made(self, request: tuple[int, bytes]) -> list[Step]:
        """A request was made: send it, and look at the clock."""
        ident, data = request
        self._asked[ident] = self._clock()
        return [Send(data)]

    def _steps(self, event: Answer | Refused) -> list[Step]:
        asked = None if event.id is None else self._asked.pop(event.id, None)
        time = "" if asked is None else duration(self._clock() - asked)
        match event:
            case Answer(ident, payload):
                text = json.dumps(payload, ensure_ascii=False)
                return [Heard(say("interactive.answer", id=ident, payload=text, time=time))]
            case Refused(None, code, why):
                return [Notice(say("interactive.session-refused", code=code, why=why), bad=True)]
            case Refused(ident, code, why):
                return [Heard(say("interactive.refused", id=ident, code=code, why=why, time=time))]


class FramedTalk(_Asking):
    """A session over a stream; what is typed before the server welcomes us waits.

    Args:
        nonce: tells this client from others.
        clock: seconds, monotonic.
    """

    def __init__(self, nonce: str, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._client = FramedClient(nonce)
        self._early: list[dict[str, JSON]] = []

    def open(self) -> list[Step]:
        """Say HELLO."""
        return [Send(self._client.hello())]

    def received(self, data: bytes) -> list[Step]:
        """Show the answers, and look for the end."""
        try:
            return self._all(self._client.receive(data))
        except RemoteProtocolError as error:
            self.code = NETWORK_SAID_NO
            return [*self._all(error.events), broken(error)]

    def _ask(self, payload: dict[str, JSON]) -> list[Step]:
        if self._client.welcomed:
            return self._made(self._client.request(payload))
        self._early.append(payload)
        self.unsent = True
        return []

    def _all(self, events: Sequence[FramedEvent]) -> list[Step]:
        steps: list[Step] = []
        for event in events:
            match event:
                case Welcomed(payload):
                    text = json.dumps(payload, ensure_ascii=False)
                    steps.append(Notice(say("interactive.welcomed", payload=text)))
                    steps += self._catch_up()
                case Ended(reason):
                    # The end of the stream is told by who reads it.
                    self.code = NETWORK_SAID_NO if reason == "refused" else None
                case Answer() | Refused():
                    steps += self._steps(event)
        return steps

    def _catch_up(self) -> list[Step]:
        """Ask what has waited for the welcome."""
        early, self._early, self.unsent = self._early, [], False
        steps: list[Step] = []
        for payload in early:
            try:
                steps += self._ask(payload)
            except LocalProtocolError as error:
                steps.append(Notice(say("interactive.not-sent", what=error)))
        return steps


class FramedDatagrams(_Asking):
    """Requests in datagrams, each sent again until it is answered or given up.

    Args:
        nonce: by which the server knows a repeated request again.
        clock: seconds, monotonic.
    """

    def __init__(self, nonce: str, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._caller = FramedCaller(nonce, clock)

    @property
    def due(self) -> float | None:
        """When a request is to be sent again, or given up."""
        return self._caller.due

    @property
    def expecting(self) -> int:
        """Requests neither answered nor given up."""
        return len(self._caller.outstanding)

    def received(self, data: bytes) -> list[Step]:
        """Show the answer; a second one, or a stranger's datagram, is said to be that."""
        events = self._caller.receive(data)
        if not events:
            return [Notice(say("interactive.stray", size=len(data)))]
        return [step for event in events for step in self._steps(event)]

    def tick(self) -> list[Step]:
        """Send again, or give up."""
        steps: list[Step] = []
        for each in self._caller.tick():
            if isinstance(each, Lost):
                self._asked.pop(each.id, None)
                said = say("interactive.lost", id=each.id, attempts=each.attempts)
                steps.append(Notice(said, bad=True))
            else:
                steps += [Send(each), Notice(say("interactive.again"))]
        return steps

    def _ask(self, payload: dict[str, JSON]) -> list[Step]:
        return self._made(self._caller.request(payload))


def payload_of(text: str) -> dict[str, JSON]:
    """The request that a typed line is: a JSON object, or else a text to be echoed.

    Raises:
        ValueError: it begins like an object, and is none.
    """
    if not text.lstrip().startswith(_OBJECT):
        return {"op": "echo", "value": to_bytes(text).decode("utf-8", "replace")}
    payload: dict[str, JSON] = json.loads(text)
    return payload
