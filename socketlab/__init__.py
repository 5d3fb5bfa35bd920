"""socketlab: real TCP and UDP between real hosts, and faults that bite.

This package is what runs on the instructor's machine. `socketlab.wire` holds the words it shares with
the programs inside a lab's hosts; importing it loads nothing else, and nothing that is Linux only.
"""

__version__ = "0.1.0"
