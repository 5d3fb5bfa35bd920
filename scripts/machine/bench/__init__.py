"""`scripts/bench`: the lab's servers measured side by side, and beside what others would use.

Theory of operation
    A *case* says what is measured (64 bytes there and back on 50 connections); a *contender* is a server to
    measure. A round takes every case, and in it every contender once, each as a fresh process: A B C, A B C.
    A machine's speed drifts by tens of percent within minutes, so a ratio is made of two neighbours in one
    round, and what is told is the median of the rounds' ratios.

    Server and load generator share one core, unless `--two-cores`: so no time is spent on waking another
    core, and the judged figure, the server's CPU time by operation, is at its steadiest. The generator
    (`benchmarks/load.c`) stops twice: before it measures, and after the last answer. The server has nothing
    to do then, and the CPU clocks of its processes are read (`accounting`).

    `options` and `cases` say what to do, `contenders` whom with; `serving` and `generator` hold the two
    processes of a run, `measuring` is one run and `rounds` all of them; `summary` and `targets` judge,
    `tables`, `figure` and `report` tell.
"""
