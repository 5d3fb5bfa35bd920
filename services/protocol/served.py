"""What a server can serve: the protocols by name, each in one shape, whatever the style of the server."""

from services.protocol.chat import ChatServing
from services.protocol.echo import EchoDatagrams, EchoServing
from services.protocol.framed import FramedDatagrams, FramedServing
from services.protocol.serving import Served

SERVED = {
    "echo": Served(EchoServing, EchoDatagrams),
    "chat": Served(ChatServing),
    "framed": Served(FramedServing, FramedDatagrams, timed=True),
}
