"""One run of the load generator: find the server, open the connections, make the load, tell what it gave."""

import itertools
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Final

from services.client.console import ERR, OUT, width
from services.client.load.datagram import DatagramEcho
from services.client.load.engine import Engine
from services.client.load.exchange import MakeExchange, StreamEcho, contents
from services.client.load.framed import FramedDatagrams, FramedStream, framed_contents
from services.client.load.plan import ID_SIZE, Plan
from services.client.load.progress import Progress
from services.client.load.report import report
from services.client.load.result import Result
from services.client.load.tally import Tally
from services.client.load.target import NobodyError, allow_descriptors, find
from services.messages import say

ALL_ANSWERED: Final = 0
NOT_ALL: Final = 1

_TIMER_SLACK: Final = Path("/proc/self/timerslack_ns")


def run(plan: Plan) -> int:
    """Make the load, and tell what it gave.

    Returns:
        the exit code: 0 everything was answered, 1 something was not, 128 and the signal that stopped it.

    Raises:
        DescriptorsError: the machine does not allow so many connections.
    """
    raised = allow_descriptors(plan.connections)
    if raised is not None:
        ERR.line(say("load.descriptors-raised", limit=raised))
    try:
        result = measure(plan)
    except NobodyError as error:
        ERR.line(say("client.error", what=error))
        return NOT_ALL
    if plan.json:
        OUT.data(json.dumps(result.plain()).encode() + b"\n")
    else:
        for line in report(result, width()):
            OUT.line(line)
    return exit_code(result)


def exit_code(result: Result) -> int:
    """What the run ends with."""
    if result.measured.signum is not None:
        return 128 + result.measured.signum
    return ALL_ANSWERED if result.tally.all_well else NOT_ALL


def measure(plan: Plan) -> Result:
    """Find the server, open the connections, and make the load.

    Raises:
        NobodyError: nobody is there.
    """
    tally = Tally()
    target, first = find(plan)
    progress = Progress(tally, ERR, redraw=sys.stderr.isatty())
    engine = Engine(plan, target, maker(plan, tally), tally, progress.second if plan.progress else None)
    if plan.rate is not None:
        _wake_on_time()
    warm_up_lost = 0
    try:
        with engine.stopped_by_signals():
            engine.set_up(first)
            if plan.warm_up:
                progress.begin(warm_up=True)
                engine.phase(plan.warm_up, None)
                warm_up_lost = tally.lost
                tally.begin()
            progress.begin(warm_up=False)
            measured = engine.phase(plan.duration, plan.count)
    finally:
        engine.close()
        progress.end()
    return Result(plan=plan, target=str(target), tally=tally, measured=measured, warm_up_lost=warm_up_lost)


def maker(plan: Plan, tally: Tally) -> MakeExchange:
    """What makes that which is asked on a connection."""
    if plan.protocol == "framed":
        nonce = secrets.token_hex(8)
        pool = framed_contents(plan.size, nonce if plan.datagrams else None)
        if plan.datagrams:
            return lambda: FramedDatagrams(pool, tally)
        return lambda: FramedStream(pool, nonce, tally)
    if plan.datagrams:
        filling = os.urandom(plan.size - ID_SIZE)
        return lambda: DatagramEcho(filling, tally)
    at_once = 1 if plan.records else plan.in_flight
    payloads = itertools.cycle(contents(plan.size * at_once))
    return lambda: StreamEcho(payloads, plan.size, tally)


def _wake_on_time() -> None:
    """Have the kernel wake us when a request is due, and not up to 50 us later (proc(5), timerslack_ns)."""
    try:
        _TIMER_SLACK.write_text("1", encoding="ascii")
    except OSError:
        return  # then it is up to 50 us later: that much is measured, as our own lateness
