"""`socketlab detach`: leave a compose project that `attach` took, as it was."""

import time

from socketlab.cli.console import put_json, tell
from socketlab.cli.group import command
from socketlab.cli.options import json_option, lab_argument
from socketlab.messages import say


@command("detach")
@lab_argument()
@json_option()
def detach(*, name: str | None, as_json: bool) -> None:
    """Leave a project as it was."""
    from socketlab.holder import client  # noqa: PLC0415 - a lab's modules, only when needed

    seat = client.find(name)
    started = time.monotonic()
    client.down(seat)
    tell(say("cli.down.done", name=seat.name, seconds=f"{time.monotonic() - started:.2f}"))
    if as_json:
        put_json({"closed": [seat.name]})
