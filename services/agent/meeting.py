"""What an agent and those who ask it agree on: where they meet, and how much either says at a time.

Apart from the rest of the agent, so that whoever only asks need not load all that an agent is made of.
"""

from pathlib import Path

from socketlab.wire.lines import Limits

RUN_DIR = Path("/run/socketlab")
SOCKET_NAME = "agent.sock"
MAX_LEASES = 256
MAX_ADDRESSES = 64
"""Of a fault's peer."""
REQUEST = Limits(line=4096)
"""Room for a fault with 64 addresses. It bounds what an agent's faults can take up, and so the answers."""
ANSWER = Limits(line=4 * MAX_LEASES * REQUEST.line)
"""Room for all the faults an agent can hold; a letter of a peer's name may take thrice its room there."""
