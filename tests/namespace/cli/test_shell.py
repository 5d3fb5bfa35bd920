"""The prompt, fed by a pipe and on a terminal."""

import re

from tests.namespace.cli.command import Command, Terminal

LESSON = b"""\
s = client.socket()
s.settimeout(5)
s.connect((server.address, 7000))
s.connect_ex((server.address, 7000))
listener = server.socket()
listener.bind((server.address, 7000))
listener.listen()
p = listener.begin.accept()
with client.socket(AF_INET, SOCK_STREAM) as c:
    c.connect((server.address, 7000))
    connection, peer = p.result(5)
    connection.send(b"hello")
    text = c.recv(100)

text.decode()
len(text) + 1
undefined
client.getaddrinfo("no-such-name", 80)
client.run(["sh", "-c", "exit 3"]).exit_code
nonsense(
"""


def line(shown: str, call: str) -> str:
    """The one line that tells of a call."""
    (found,) = [each for each in shown.splitlines() if each.startswith("  ") and call in each]
    return found


def test_a_lesson_by_a_pipe(held: Command) -> None:
    done = held.run("shell", said=LESSON)
    shown = done.stdout.decode()
    assert done.returncode == 0
    assert "Traceback" not in shown + done.stderr.decode()
    assert ">>> s.connect((server.address, 7000))\n" in shown
    refused = line(shown, "ConnectionRefusedError")
    assert re.search(
        r"client:\d+ connect\(\('[\d.]+', 7000\)\) +ConnectionRefusedError ECONNREFUSED +\d+\.\d\d ms$",
        refused,
    )
    # A second connect of the same socket is told that the first one was given up.
    assert line(shown, "connect_ex(").split()[-4:-2] == ["103", "ECONNABORTED"]
    assert "socket(AF_INET, SOCK_STREAM)" in shown
    assert line(shown, "accept()")
    assert line(shown, "send(b'hello')").split()[-3] == "5"
    assert "\n  'hello'\n" in shown
    assert "\n  6\n" in shown
    assert "NameError: name 'undefined' is not defined" in shown
    assert "gaierror EAI_" in line(shown, "getaddrinfo('no-such-name'")
    assert "\n  3\n" in shown
    assert "popen" not in shown
    assert "SyntaxError" in shown
    assert "Hosts: client, server" in done.stderr.decode()


def test_words_of_its_own(held: Command) -> None:
    done = held.run(
        "shell",
        "demo",
        said=b"%hosts\n%sockets\n%sockets client\n%sockets x\n%help\n%x\nclient.pause()\nclient.resume()\n",
    )
    shown = done.stdout.decode()
    assert re.search(r"client +running +10\.", shown)
    assert "s = client.socket()" in shown
    assert "no such command: %x" in shown
    assert re.search(r"client pause", shown)
    assert done.returncode == 0


def test_its_words_in_spanish(held: Command) -> None:
    done = held.run("shell", said=b"%help\n", LC_ALL="es_ES.UTF-8")
    assert "un socket en un equipo" in done.stdout.decode()


def test_a_lab_of_its_own_goes_with_it(command: Command) -> None:
    done = command.run("shell", said=b"client.gethostname()\n")
    assert "'client'" in line(done.stdout.decode(), "gethostname()") or "client" in done.stdout.decode()
    assert b"shell on namespace" in done.stderr
    assert command.json("status") == {"labs": []}


def test_on_a_terminal(held: Command) -> None:
    terminal = Terminal(held, "shell")
    terminal.until(rb">>> ")
    terminal.type(b"s = client.socket(AF_INET, SOCK_DGRAM); s.bind(('', 7)); s.recv(1)\r")
    terminal.until(rb"bind\(.*PermissionError EACCES.*\n")
    terminal.until(rb">>> ")
    terminal.type(b"s.recv(1)\r")
    terminal.until(rb"recv\(1\)\r\n")
    terminal.type(b"\x03")
    terminal.until(rb"KeyboardInterrupt")
    terminal.until(rb">>> ")
    terminal.type(b"client.gethostna\t")
    terminal.until(rb"gethostname")
    terminal.type(b"\x15\x04")
    assert terminal.end()[0] == 0
