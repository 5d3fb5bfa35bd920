#!/bin/sh
# Two hosts in network namespaces of their own, joined by a veth pair: this one serves, `client` calls.
# Usage: unshare --user --map-root-user --net --mount sh netlab.sh PYTHON COMMAND...
# COMMAND runs on the client's host, with the lab's addresses in its environment. The server has its agent; what the
# client's holds stands in `ip route` here.
set -eu
python=$1
shift
mount -t tmpfs run /run
mkdir /run/netns
ip netns add client
ip link set lo up
ip link add lan type veth peer name eth0 netns client
ip address add 10.213.99.10/24 dev lan
ip -6 address add fd00:213:99::10/64 dev lan nodad
ip link set lan up
ip -n client link set lo up
ip -n client address add 10.213.99.20/24 dev eth0
ip -n client -6 address add fd00:213:99::20/64 dev eth0 nodad
ip -n client link set eth0 up
echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
ip -n client route add throw 203.0.113.0/24
ip -n client -6 route add throw 2001:db8::/32
mkdir -m 700 /run/agent
"$python" -m services.agent --run-dir /run/agent \
    --standing "drop --port 7005 --proto tcp" \
    --standing "reject tcp-reset --port 7006 --proto tcp" \
    --standing "reject icmp-admin --port 7007 --proto tcp" \
    --standing "reject icmp6-admin --port 7007 --proto tcp" >&2 &
agent=$!
"$python" -m services.server --lab --no-health >&2 &
server=$!
trap 'kill "$server" "$agent" 2>/dev/null; wait "$server" "$agent"' EXIT
export SOCKETLAB_UNUSED=10.213.99.250 SOCKETLAB_UNUSED6=fd00:213:99::250
export SOCKETLAB_UNROUTED=203.0.113.1 SOCKETLAB_UNROUTED6=2001:db8::1
# The server is ready when its echo answers, the agent when its abstract socket says so.
"$python" - <<'READY'
import socket, time
give_up = time.monotonic() + 20
while True:
    try:
        socket.create_connection(("127.0.0.1", 7010), timeout=1).close()
        break
    except OSError:
        if time.monotonic() > give_up:
            raise
        time.sleep(0.02)
while True:
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(1)
            agent.connect("\0socketlab-agent")
            if agent.recv(1):
                break
    except OSError:
        if time.monotonic() > give_up:
            raise
    time.sleep(0.02)
READY
ip netns exec client "$@"
