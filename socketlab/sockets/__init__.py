"""Sockets over there: the methods of `socket.socket`, made by the actor of a host.

`Actor` is the module `socket` on a host, `Socket` one of its sockets, `Pending` a call that was begun and is
awaited later.
"""

from socketlab.sockets.actor import Actor, Begin
from socketlab.sockets.over_there import Socket
from socketlab.sockets.pending import Pending, StillRunningError
from socketlab.sockets.polling import Epoll, Poll
from socketlab.sockets.stream import Stream

__all__ = ["Actor", "Begin", "Epoll", "Pending", "Poll", "Socket", "StillRunningError", "Stream"]
