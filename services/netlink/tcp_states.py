"""States of connections, as the kernel numbers them (net/tcp_states.h) and ss(8) names them.

All protocols use these numbers. 12 is a connection that the kernel answers before it has a socket.
"""

STATES = {
    1: "ESTAB",
    2: "SYN-SENT",
    3: "SYN-RECV",
    4: "FIN-WAIT-1",
    5: "FIN-WAIT-2",
    6: "TIME-WAIT",
    7: "UNCONN",
    8: "CLOSE-WAIT",
    9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN-RECV",
    13: "BOUND",
}


def state_name(number: int) -> str:
    """The name of a state; the number itself of one that a newer kernel has."""
    return STATES.get(number, str(number))
