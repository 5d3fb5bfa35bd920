"""The functions of the module `socket`, on a host: `host.socket()`, `host.getaddrinfo("server", 7000)`."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from socketlab.sockets import Actor
from socketlab.sockets.actor import Begin

P = ParamSpec("P")
T = TypeVar("T")


def _on_actor(method: Callable[Concatenate[Actor, P], T]) -> Callable[Concatenate["Functions", P], T]:
    @wraps(method)
    def made(self: "Functions", *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self.actor, *args, **kwargs)

    return made  # type: ignore[return-value]  # its first parameter has a name


class Functions:
    """The part of a `Host` that is like the module `socket`; each function is made by the host's actor."""

    @property
    def actor(self) -> Actor:
        """What makes the host's calls."""
        raise NotImplementedError

    @property
    def begin(self) -> Begin:
        """The same functions, begun and awaited later: `host.begin.getaddrinfo("server", 7000)`."""
        return self.actor.begin

    socket = _on_actor(Actor.socket)
    socketpair = _on_actor(Actor.socketpair)
    create_connection = _on_actor(Actor.create_connection)
    create_server = _on_actor(Actor.create_server)
    getaddrinfo = _on_actor(Actor.getaddrinfo)
    gethostbyname = _on_actor(Actor.gethostbyname)
    gethostbyname_ex = _on_actor(Actor.gethostbyname_ex)
    gethostbyaddr = _on_actor(Actor.gethostbyaddr)
    getnameinfo = _on_actor(Actor.getnameinfo)
    getservbyname = _on_actor(Actor.getservbyname)
    getservbyport = _on_actor(Actor.getservbyport)
    getprotobyname = _on_actor(Actor.getprotobyname)
    gethostname = _on_actor(Actor.gethostname)
    getfqdn = _on_actor(Actor.getfqdn)
    inet_aton = _on_actor(Actor.inet_aton)
    inet_ntoa = _on_actor(Actor.inet_ntoa)
    inet_pton = _on_actor(Actor.inet_pton)
    inet_ntop = _on_actor(Actor.inet_ntop)
    htons = _on_actor(Actor.htons)
    htonl = _on_actor(Actor.htonl)
    ntohs = _on_actor(Actor.ntohs)
    ntohl = _on_actor(Actor.ntohl)
    if_nameindex = _on_actor(Actor.if_nameindex)
    if_nametoindex = _on_actor(Actor.if_nametoindex)
    if_indextoname = _on_actor(Actor.if_indextoname)
    setdefaulttimeout = _on_actor(Actor.setdefaulttimeout)
    getdefaulttimeout = _on_actor(Actor.getdefaulttimeout)
    has_dualstack_ipv6 = _on_actor(Actor.has_dualstack_ipv6)
    CMSG_LEN = _on_actor(Actor.CMSG_LEN)
    CMSG_SPACE = _on_actor(Actor.CMSG_SPACE)
    select = _on_actor(Actor.select)
    poll = _on_actor(Actor.poll)
    epoll = _on_actor(Actor.epoll)
