"""The example that a new user reads first, run as it stands."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = """\
from socketlab import lab

with lab("demo", hosts=["client", "server"], backend="auto") as demo:
    listener = demo.server.socket()            # AF_INET, SOCK_STREAM
    listener.bind((demo.server.address, 7000))
    listener.listen(1)
    pending = listener.begin.accept()
    s = demo.client.socket()
    s.settimeout(2)
    s.connect((demo.server.address, 7000))
    conn, peer = pending.result(timeout=2)
"""


def test_the_example_runs_unchanged(backend: str, labels: dict[str, str]) -> None:
    file = ROOT / "examples" / "first_lab.py"
    assert file.read_text() == EXAMPLE
    del labels  # SOCKETLAB_RUN labels what the example makes
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", str(file)],
        env={**os.environ, "SOCKETLAB_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
