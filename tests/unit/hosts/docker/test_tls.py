"""A stream over TLS: both directions at once, and its end."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator

import pytest

from socketlab.errors import BackendError
from socketlab.hosts.docker.dialling import dial
from socketlab.hosts.docker.endpoint import Endpoint, Tls
from socketlab.hosts.docker.streams import STDOUT, ExecStream
from tests.unit.hosts.docker.test_streams import frame

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no openssl that could make a certificate")
MUCH = bytes(range(256)) * 8000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An engine's certificate, which signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    made = [str(OPENSSL), *words, "-keyout", key, "-out", cert]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    return cert, key


@pytest.fixture
def engine(certificate: tuple[str, str]) -> Iterator[tuple[Endpoint, list[ssl.SSLSocket]]]:
    """Somebody who speaks TLS: its place, and its ends of the connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    accepted: list[ssl.SSLSocket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            try:
                accepted.append(context.wrap_socket(connection, server_side=True))
            except OSError:
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        yield Endpoint(url, "test", Tls(certificate[0], None, None)), accepted
        thread.join(10)
    for connection in accepted:
        connection.close()


def test_both_directions_at_once(engine: tuple[Endpoint, list[ssl.SSLSocket]]) -> None:
    endpoint, accepted = engine
    stream = ExecStream("server", dial(endpoint))
    stream_sends = threading.Thread(target=stream.send, args=(MUCH,))
    received: list[bytes] = []

    def receive() -> None:
        while data := stream.receive(20):
            received.append(data)

    stream_receives = threading.Thread(target=receive)
    for thread in (stream_sends, stream_receives):
        thread.start()
    while not accepted:
        stream_sends.join(0.01)
    (far,) = accepted
    echoed = 0
    while echoed < len(MUCH):
        data = far.recv(1 << 16)
        echoed += len(data)
        far.sendall(frame(STDOUT, data))
    far.close()
    for thread in (stream_sends, stream_receives):
        thread.join(20)
        assert not thread.is_alive()
    assert b"".join(received) == MUCH


def test_close_wakes_who_waits(engine: tuple[Endpoint, list[ssl.SSLSocket]]) -> None:
    stream = ExecStream("server", dial(engine[0]))
    received: list[bytes] = []
    waiting = threading.Thread(target=lambda: received.append(stream.receive(None)))
    waiting.start()
    stream.close()
    waiting.join(10)
    assert received == [b""]


def test_certificate_of_a_stranger_is_refused(engine: tuple[Endpoint, list[ssl.SSLSocket]]) -> None:
    endpoint, _ = engine
    with pytest.raises(BackendError) as refused:
        dial(Endpoint(endpoint.url, "test", Tls(None, None, None)))
    assert refused.value.code == "docker.tls"


def test_unless_nobody_asks(engine: tuple[Endpoint, list[ssl.SSLSocket]]) -> None:
    dial(Endpoint(engine[0].url, "test", Tls(None, None, None, verify=False))).close()
