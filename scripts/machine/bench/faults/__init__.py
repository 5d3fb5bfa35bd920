"""`scripts/bench faults`: what faults cost and how exact they are, beside a path without any.

Theory of operation
    `agent` puts every kind in force and takes it out in an agent's own parts, from the line of the request to
    the line of the answer, in a scratch namespace; `controller` and `docker` do the same with
    `host.faults.apply` on a lab. The other cases send datagrams through faults, by programs on a lab's two
    hosts (`traffic`), and each measures the bare path in the same round.

    A packet's delay is told from before the sender's call to after the receiver's, by the one clock of the
    machine; so the error includes the bare path, whose own time stands beside it.

    The command is that of `bench hosts` (`hosts.front`), with a `suite` of its own. `measure` is the process
    that measures: `inside` and `applying` how long faults take to come and go, `packets` what they do.
    `judging` and `telling` make targets and tables of the figures; `interval` says what chance may do.
"""
