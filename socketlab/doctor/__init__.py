"""What this machine can do for a lab: `socketlab doctor`.

Theory of operation
    `probes` tries each thing for real, several at once, and writes down what it saw: the kernel's parts by
    `services.doctor` in a process of its own, whose namespaces go with it. `verdicts` makes findings of that,
    without any I/O: works, does not, does not need to; and what to do. `report` shows them. Everything is
    bounded in time, and nothing is left.
"""
