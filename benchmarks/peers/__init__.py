"""What the lab's servers are compared with: the same echo as Python programs usually write it.

Each is a program that serves 127.0.0.1 on a free port until it is killed: `python -m benchmarks.peers.NAME`.
It says where in the words of the lab's own servers, so that the benchmark reads them all alike.
"""

import json
import sys

ADDRESS = "127.0.0.1"
BACKLOG = 1024
READ = 64 * 1024
"""Bytes asked for at once, where the program chooses."""


def announce(port: int, transport: str = "tcp") -> None:
    """Say on stdout where it serves."""
    bound = {"name": "echo", "transport": transport, "address": ADDRESS, "port": port}
    sys.stdout.write(json.dumps({"event": "serving", "bound": [bound]}) + "\n")
    sys.stdout.flush()
