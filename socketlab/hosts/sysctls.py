"""Settings of the kernel that a host may have of its own (sysctl(8)): those of a network namespace.

What an engine refuses to set for a container, and what belongs to the whole machine, is not among them:
`net.core.rmem_max`, `net.ipv4.tcp_mem`, `net.ipv4.neigh.default.*`, `fs.*`.
"""

import difflib
import re
from typing import Final

from socketlab.errors import SpecError

_IPV4: Final = """
    fib_multipath_hash_fields fib_multipath_hash_policy fib_multipath_hash_seed fib_multipath_use_neigh
    fib_notify_on_flag_change fwmark_reflect icmp_echo_enable_probe icmp_echo_ignore_all
    icmp_echo_ignore_broadcasts icmp_errors_use_inbound_ifaddr icmp_ignore_bogus_error_responses
    icmp_msgs_burst icmp_msgs_per_sec icmp_ratelimit icmp_ratemask igmp_link_local_mcast_reports
    igmp_max_memberships igmp_max_msf igmp_qrv ip_autobind_reuse ip_default_ttl ip_dynaddr
    ip_early_demux ip_forward ip_forward_update_priority ip_forward_use_pmtu ip_local_port_range
    ip_local_reserved_ports ip_no_pmtu_disc ip_nonlocal_bind ip_unprivileged_port_start
    ipfrag_high_thresh ipfrag_low_thresh ipfrag_max_dist ipfrag_time nexthop_compat_mode
    ping_group_range tcp_abort_on_overflow tcp_adv_win_scale tcp_app_win tcp_autocorking
    tcp_backlog_ack_defer tcp_base_mss tcp_challenge_ack_limit tcp_child_ehash_entries
    tcp_comp_sack_delay_ns tcp_comp_sack_nr tcp_comp_sack_slack_ns tcp_congestion_control tcp_dsack
    tcp_early_demux tcp_early_retrans tcp_ecn tcp_ecn_fallback tcp_ecn_option tcp_ecn_option_beacon
    tcp_fack tcp_fastopen tcp_fastopen_blackhole_timeout_sec tcp_fastopen_key tcp_fin_timeout tcp_frto
    tcp_fwmark_accept tcp_invalid_ratelimit tcp_keepalive_intvl tcp_keepalive_probes tcp_keepalive_time
    tcp_limit_output_bytes tcp_max_reordering tcp_max_syn_backlog tcp_max_tw_buckets tcp_migrate_req
    tcp_min_rtt_wlen tcp_min_snd_mss tcp_min_tso_segs tcp_moderate_rcvbuf tcp_mtu_probe_floor
    tcp_mtu_probing tcp_no_metrics_save tcp_no_ssthresh_metrics_save tcp_notsent_lowat
    tcp_orphan_retries tcp_pacing_ca_ratio tcp_pacing_ss_ratio tcp_pingpong_thresh tcp_plb_cong_thresh
    tcp_plb_enabled tcp_plb_idle_rehash_rounds tcp_plb_rehash_rounds tcp_plb_suspend_rto_sec
    tcp_probe_interval tcp_probe_threshold tcp_recovery tcp_reflect_tos tcp_reordering
    tcp_retrans_collapse tcp_retries1 tcp_retries2 tcp_rfc1337 tcp_rmem tcp_rto_max_ms tcp_rto_min_us
    tcp_sack tcp_shrink_window tcp_slow_start_after_idle tcp_stdurg tcp_syn_linear_timeouts
    tcp_syn_retries tcp_synack_retries tcp_syncookies tcp_thin_linear_timeouts tcp_timestamps
    tcp_tso_rtt_log tcp_tso_win_divisor tcp_tw_reuse tcp_tw_reuse_delay tcp_window_scaling tcp_wmem
    tcp_workaround_signed_windows udp_child_hash_entries udp_early_demux udp_rmem_min udp_wmem_min
"""
_IPV6: Final = """
    anycast_src_echo_reply auto_flowlabels bindv6only fib_multipath_hash_fields
    fib_multipath_hash_policy fib_notify_on_flag_change flowlabel_consistency flowlabel_reflect
    flowlabel_state_ranges fwmark_reflect idgen_delay idgen_retries ip6frag_high_thresh
    ip6frag_low_thresh ip6frag_time ip_nonlocal_bind max_dst_opts_length max_dst_opts_number
    max_hbh_length max_hbh_opts_number
"""
_OTHERS: Final = frozenset({"net.core.somaxconn", "net.unix.max_dgram_qlen"})
NAMES: Final = frozenset(
    {
        *_OTHERS,
        *(f"net.ipv4.{name}" for name in _IPV4.split()),
        *(f"net.ipv6.{name}" for name in _IPV6.split()),
    }
)
"""Those without a device in their name. Which of them a machine has is its kernel's affair."""
_OF_A_DEVICE: Final = re.compile(
    r"net\.(?:ipv4|ipv6)\.(?:conf\.(?:all|default|lo|eth\d{1,2})|neigh\.(?:lo|eth\d{1,2}))\.[a-z0-9_]{1,40}"
)
_OF_CONNTRACK: Final = re.compile(
    r"net\.netfilter\.nf_conntrack_(?!max\b|buckets\b|expect_max\b)[a-z0-9_]{1,40}"
)
_LONGEST: Final = 200


def check(name: str, value: str | int, where: str) -> str:
    """The value as the kernel is given it.

    Args:
        name: `net.ipv4.tcp_syn_retries`.
        value: a number, or a text of one line.
        where: it stands, for the error.

    Raises:
        SpecError: a host cannot have that, or the value is none.
    """
    if not (name in NAMES or _OF_A_DEVICE.fullmatch(name) or _OF_CONNTRACK.fullmatch(name)):
        alike = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.85)
        if alike:
            raise SpecError("lab.sysctl-alike", where=where, seen=ascii(name), alike=alike[0])
        raise SpecError("lab.sysctl", where=where, seen=ascii(name))
    text = str(value) if type(value) in {int, str} else ""
    if not (0 < len(text) <= _LONGEST and text.isascii() and text.replace("\t", " ").isprintable()):
        raise SpecError("lab.sysctl-value", where=where, seen=ascii(value)[:60])
    return text
