"""Run a command on a host where a stand-in for the agent says that it is ready.

Usage: standin.py [--at TEXT SIGNAL] COMMAND...

With --at the command gets SIGNAL as soon as a line of its output holds TEXT. Its output is passed on, and
its exit code becomes ours.
"""

import signal
import socket
import subprocess
import sys
import threading

from services.ports import AGENT_READY
from socketlab.wire import Ready, encode


def say_ready(listener: socket.socket) -> None:
    """Answer whoever asks."""
    while True:
        asker, _ = listener.accept()
        with asker:
            asker.sendall(encode(Ready("agent")))


def main(arguments: list[str]) -> int:
    """Run the command."""
    text = ""
    number = signal.SIGTERM
    if arguments[0] == "--at":
        _, text, name, *arguments = arguments
        number = signal.Signals[name]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(AGENT_READY)
    listener.listen()
    threading.Thread(target=say_ready, args=(listener,), daemon=True).start()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            if text and text in line.decode():
                process.send_signal(number)
                text = ""
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
