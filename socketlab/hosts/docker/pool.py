"""Labs made ahead: whoever asks for one of that shape has it at once.

Theory of operation
    A thread keeps so many labs of one shape ready, an actor waiting on each host. A lab from the pool is a
    lab like any other from then on: its owner closes it, and the pool makes another. It is handed out once
    and never given back, so nothing of one user's is seen by the next. On the engine it keeps the name under
    which it was made (labels cannot change), in the lab's plan it has the one that was asked for.
"""

import threading
from collections import deque
from dataclasses import replace
from types import TracebackType
from typing import Self

from socketlab.errors import BackendError, LabError
from socketlab.hosts.docker.backend import DockerBackend
from socketlab.hosts.docker.machines import DockerMachines
from socketlab.hosts.spec import LabSpec


class Pool:
    """A backend that has labs of one shape ready (`socketlab.hosts.backend.Backend`).

        with Pool(spec, ready=2) as pool, Lab(spec, backend=pool) as demo:
            ...

    Args:
        spec: the shape. A lab that differs from it in more than its name is made as ever.
        ready: how many are kept ready.
        backend: makes them.
    """

    name = "docker"

    def __init__(self, spec: LabSpec, ready: int = 2, backend: DockerBackend | None = None) -> None:
        self._spec = spec
        self._size = ready
        self._backend = backend or DockerBackend(eager=True)
        self._ready: deque[DockerMachines] = deque()
        self._changed = threading.Condition()
        self._error: BackendError | None = None
        self._closed = False
        self._maker = threading.Thread(target=self._keep_ready, name="socketlab-pool", daemon=True)
        self._maker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep_ready(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or not (self._error or len(self._ready) >= self._size)
                )
                if self._closed:
                    return
            made: DockerMachines | None = None
            failed: BackendError | None = None
            try:
                made = self._make()
            except LabError as error:
                # Until somebody asks for a lab, and is told, no other try is made.
                failed = error if isinstance(error, BackendError) else BackendError("docker.pool", why=error)
            with self._changed:
                self._error = failed
                if made and not self._closed:
                    self._ready.append(made)
                    made = None
                self._changed.notify_all()
            if made:
                made.close()

    def _make(self) -> DockerMachines:
        machines = self._backend.open(self._spec)
        try:
            machines.warm()
        except BaseException:
            machines.close()
            raise
        return machines

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the pool is full; whether it is.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            BackendError: none can be made.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._error or self._closed or len(self._ready) >= self._size, timeout
            )
            if self._error:
                raise self._error
            return len(self._ready) >= self._size

    def open(self, spec: LabSpec) -> DockerMachines:
        """A lab: one that is ready, or the next that gets ready; one of another shape is made now.

        Args:
            spec: what is wanted.

        Raises:
            SpecError: it makes no sense.
            BackendError: the engine is away or says no; nothing is left behind.
        """
        while replace(spec, name=self._spec.name) == self._spec:
            machines = self._take()
            if machines is None:
                break
            if set(machines.states().values()) == {"running"}:
                machines.rename(spec.name)
                return machines
            machines.close()  # somebody has ended its hosts while it waited
        return self._backend.open(spec)

    def _take(self) -> DockerMachines | None:
        """The oldest of those that are ready; None: the pool is closed."""
        with self._changed:
            if not self._ready:
                self._error = None  # another try is due
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._ready or self._error or self._closed)
            if self._closed:
                return None
            if not self._ready and self._error:
                raise self._error
            machines = self._ready.popleft()
            self._changed.notify_all()
        return machines

    def close(self) -> None:
        """Make no more, and remove those that nobody has taken. Any number of times.

        Raises:
            BackendError: something would not go; it goes with its owner.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._maker.join()
        while self._ready:
            self._ready.popleft().close()
