"""The emulator: faults that hold or change packets, decided packet by packet.

Theory of operation
    The kernel hands packets to the agent through one NFQUEUE, and waits for a verdict on each. Rules of nft
    narrow what is handed over; what happens to a packet is decided here, by `Emulation`, which knows no
    socket and no clock. Each fault is a `Stage`. A packet walks the stages in the order in which the faults
    were applied: one may drop it, keep it for a while, change it, copy it, or let it go on to the next. So
    delays add up, and a copy that a first fault makes may be lost by a second.

    What leaves the last stage is accepted. Whatever has no place in the kernel's queue (a copy, a RST, a
    packet of TCP that waits where it is sent: see `line`) is injected instead, by a raw socket, with a mark
    that all rules of the agent spare.

    `decide.Emulation` is fed packets and times, and answers with actions; `queue.Emulator` does what they
    say. Fed the same, it answers the same, and its log is the same: chance has a seed.
"""
