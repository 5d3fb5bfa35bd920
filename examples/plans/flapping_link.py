"""A plan in Python: a server's link flaps, faster and faster. python3 examples/plans/flapping_link.py."""

import sys

from socketlab import lab
from socketlab.faults import delay, link
from socketlab.faults.plans import Plan, Ramp, Repeat, at, probe

plan = Plan(
    name="flapping-link",
    title="A link that flaps, and a path that gets longer",
    steps=(
        at(0.0, on="server", fault=link(), lasts=0.4, repeat=Repeat(count=2, every=0.9)),
        at(0.0, expect="client tcp server:7000 -> timeout 300ms", repeat=Repeat(count=2, every=0.9)),
        at(0.5, expect="client tcp server:7000 -> echo within 10s", repeat=Repeat(count=2, every=0.9)),
        at(
            1.8,
            on="server",
            fault=delay(0.05, peer="client", port=7000),
            lasts=0.9,
            ramp=Ramp("seconds", 0.05, 0.2, steps=3),
        ),
        at(1.8, expect="client tcp server:7000 -> echo after 50ms within 5s"),
    ),
    probes=(probe("client udp server:7000 every 250ms"),),
)

if __name__ == "__main__":
    with lab("flapping", hosts=["client", "server"]) as demo:
        demo.server.serve(style="threaded", protocol="echo", port=7000, transport="both")
        result = plan.run(demo)
        print(result)
        for probed in result.probes:
            for change in probed.changes:
                print(f"{change.at:6.2f} s  {change.count:3} x {change.outcome}")
        sys.exit(result.exit_status)
