"""Ask the program on this host whether it is ready: `python3 -I -S services/health.py [PATH]`.

PATH is the Unix socket on which the program answers (`@name`: an abstract one, unix(7)). Exit 0 when it
answers with a line of the type `ready`; else 1, with one sentence on standard error.

One file that imports only what is built into the interpreter. It runs in every host about once a second:
`-I -S` and `_socket` (the C half of `socket`) make it 12 ms; with `socket` it is 25, with `json` too 28.
Under `-I` it finds no module of ours either, so its sentences are here and in English.
"""

# The public `socket` costs as much again as the whole interpreter: it imports enum and selectors.
import _socket
import sys

DEFAULT_PATH = "/tmp/socketlab-health.sock"  # noqa: S108 - `services.ports.HEALTH_PATH`, which a test compares
TIMEOUT = 2.0
"""Seconds for each call: to connect, and for each part of the answer."""
_READY = b'"type":"ready"'
"""As `socketlab.wire` writes it. Inside a string its quotes would be escaped, so only a member looks so."""
_LONGEST = 64 * 1024


def ask(path: str) -> str:
    """Ask the program that answers at `path`.

    Returns:
        What is wrong; empty: it is ready.
    """
    address = "\0" + path[1:] if path.startswith("@") else path
    asker = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    asker.settimeout(TIMEOUT)
    answer = b""
    try:
        asker.connect(address)
        while not answer.endswith(b"\n") and len(answer) < _LONGEST and (part := asker.recv(4096)):
            answer += part
    except OSError as error:
        return f"expected an answer on {path}, saw {error}"
    finally:
        asker.close()
    if answer.endswith(b"\n") and _READY in answer:
        return ""
    return f"expected the answer ready on {path}, saw {answer[:200]!r}"


def main() -> int:
    """Run the command."""
    arguments = sys.argv[1:]
    if len(arguments) > 1:
        sys.stderr.write("health: expected at most one path: health.py [PATH]\n")
        return 2
    if wrong := ask(arguments[0] if arguments else DEFAULT_PATH):
        sys.stderr.write(f"health: not ready: {wrong}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
