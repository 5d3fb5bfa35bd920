"""select: one thread for all, as in epoll, by the call that every system has.

Each time the whole list is given to the kernel, which looks at every socket of it: twice the idle connections
are twice the work. A descriptor must be below 1024 (FD_SETSIZE), whatever `ulimit -n` allows; a client whose
connection gets a higher number is refused.
"""

from typing import Final

from services.server.loop.pollers import SelectPoller
from services.server.styles import epoll_style
from services.server.styles.style import Style

STYLE: Final = Style(
    connections=1000,
    streams=epoll_style.STYLE.streams,
    datagrams=epoll_style.STYLE.datagrams,
    poller=SelectPoller,
)
