"""A controller to be killed: `owner.py ready|making` makes a lab and holds it, or makes them all the time.

On stdout a line of JSON: the owner's number and its reaper's pid, when it has got so far.
"""

import json
import signal
import sys
import threading

from socketlab.hosts.docker import DockerBackend
from socketlab.hosts.docker.ownership import owner
from socketlab.hosts.spec import HostSpec, LabSpec

SPEC = LabSpec(name="owned", hosts=(HostSpec(name="client"), HostSpec(name="server")))


def tell() -> None:
    """Say who we are."""
    sys.stdout.write(json.dumps({"owner": owner().id, "reaper": owner().reaper_pid}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do as the word says, until killed."""
    if sys.argv[1] == "ready":
        DockerBackend().open(SPEC)
        tell()
        signal.pause()
    threading.Thread(target=DockerBackend().open, args=(SPEC,), daemon=True).start()
    while owner().reaper_pid is None:
        pass
    tell()
    signal.pause()


if __name__ == "__main__":
    main()
