"""`scripts/bench hosts`: what labs and calls on their hosts cost, beside what one would do by hand.

Theory of operation
    A *case* has its own yardstick, measured right beside it in the same round, so that a ratio does not
    depend on the machine's mood; what is told is the median of the rounds' ratios. Yardsticks: the `ip`
    commands and two empty Python programs for a lab in namespaces, two bare `docker run` on a fresh network
    for one in containers, a JSON line to a Python child and back for a call.

    `front` is the command, with the machine's own Python. `measure` runs in the project's `.venv`, makes the
    rounds and hands the figures over as JSON: `yardsticks` and `by_hand` measure what is held against,
    `labs`, `calls` and `memory` what is ours. `judging` and `telling` make targets and tables of the figures.
"""
