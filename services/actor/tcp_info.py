"""`struct tcp_info` (linux/tcp.h) as numbers by name. Pure.

A kernel gives as many bytes as it knows members, and each release may add some at the end: what is not
there is left out, what is not known here too.
"""

import struct
from typing import Any

from services.netlink.tcp_states import state_name

_CA_STATES = {0: "open", 1: "disorder", 2: "cwr", 3: "recovery", 4: "loss"}
_OPTIONS = {1: "timestamps", 2: "sack", 4: "wscale", 8: "ecn", 16: "ecn-seen", 32: "syn-data"}
_NO_LIMIT = 2**64 - 1
_HEAD = struct.Struct("=8B")
_MEMBERS = (
    *((name, "I") for name in (
        "rto", "ato", "snd_mss", "rcv_mss",
        "unacked", "sacked", "lost", "retrans", "fackets",
        "last_data_sent", "last_ack_sent", "last_data_recv", "last_ack_recv",
        "pmtu", "rcv_ssthresh", "rtt", "rttvar", "snd_ssthresh", "snd_cwnd", "advmss", "reordering",
        "rcv_rtt", "rcv_space",
        "total_retrans",
    )),
    *((name, "Q") for name in ("pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received")),
    *((name, "I") for name in (
        "segs_out", "segs_in", "notsent_bytes", "min_rtt", "data_segs_in", "data_segs_out",
    )),
    *((name, "Q") for name in ("delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited")),
    *((name, "I") for name in ("delivered", "delivered_ce")),
    *((name, "Q") for name in ("bytes_sent", "bytes_retrans")),
    *((name, "I") for name in ("dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd", "rcv_wnd", "rehash")),
    *((name, "H") for name in ("total_rto", "total_rto_recoveries")),
    *((name, "I") for name in ("total_rto_time",)),
)  # fmt: skip


def read_tcp_info(data: bytes) -> dict[str, Any]:
    """The members that the kernel gave, without `tcpi_`, in its units.

    Those are microseconds (rto, ato, rtt, min_rtt, ...), but milliseconds for `last_` and total_rto_time, and
    bytes a second for rates; None is a rate without a limit.

    Args:
        data: what getsockopt(IPPROTO_TCP, TCP_INFO) gave.
    """
    if len(data) < _HEAD.size:
        return {}
    state, ca_state, retransmits, probes, backoff, options, scales, bits = _HEAD.unpack_from(data)
    found: dict[str, Any] = {
        "state": state_name(state),
        "ca_state": _CA_STATES.get(ca_state, str(ca_state)),
        "retransmits": retransmits,
        "probes": probes,
        "backoff": backoff,
        "options": [name for bit, name in _OPTIONS.items() if options & bit],
        "snd_wscale": scales & 0xF,
        "rcv_wscale": scales >> 4,
        "delivery_rate_app_limited": bool(bits & 1),
        "fastopen_client_fail": bits >> 1 & 3,
    }
    offset = _HEAD.size
    for name, code in _MEMBERS:
        end = offset + struct.calcsize("=" + code)
        if end > len(data):
            break
        (value,) = struct.unpack_from("=" + code, data, offset)
        found[name] = None if value == _NO_LIMIT else value
        offset = end
    return found
