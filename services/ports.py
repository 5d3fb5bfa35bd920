"""Where the lab's server host serves what.

One table for the server that opens these ports, the client that visits them, and (by a test) `compose.yaml`,
whose standing faults name them by number.
"""

ECHO = 7000
"""TCP and UDP: hands back what it was given."""
CHAT = 7001
"""TCP: lines of text; `bye` ends the session."""
CLOSED = 7002
"""Nobody listens here, neither TCP nor UDP."""
LOOPBACK_ONLY = 7003
"""TCP: an echo server that bound 127.0.0.1 and ::1 only."""
BACKLOG_FULL = 7004
"""TCP: listens and never accepts; its accept queue is full."""
DROPPED = 7005
"""TCP: an echo server behind a firewall that drops what arrives."""
REJECTED_RST = 7006
"""TCP: an echo server behind a firewall that answers with a TCP reset."""
REJECTED_ICMP = 7007
"""TCP: an echo server behind a firewall that answers with an ICMP error."""
SILENT = 7008
"""TCP and UDP: takes what it is sent and never answers."""
RESETS = 7009
"""TCP: resets every connection that sends to it."""
KILLED = 7010
"""TCP: a server process that is killed (SIGKILL) while a connection is open, and started again."""
REPORT = 7100
"""TCP: on the host that runs a learner's program, the runner's own report about it."""

HEALTH_PATH = "/tmp/socketlab-health.sock"  # noqa: S108 - a tmpfs of the container's own, the only place it may write
"""Unix socket on which a host's program answers its health check."""
AGENT_READY = "\0socketlab-agent"
"""Abstract Unix socket, one a network namespace, on which its agent says that it is ready (unix(7))."""
