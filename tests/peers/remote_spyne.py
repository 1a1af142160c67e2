"""A SOAP server out of the spyne package; prints the port on which it listens."""

import datetime
import logging
from wsgiref.simple_server import WSGIRequestHandler, make_server

from spyne import (
    Application,
    Array,
    Boolean,
    ByteArray,
    ComplexModel,
    DateTime,
    Double,
    Fault,
    Integer,
    ServiceBase,
    Unicode,
    rpc,
)
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

logging.disable(logging.CRITICAL)


class Guest(ComplexModel):
    __namespace__ = "urn:guests"
    name = Unicode
    chips = Integer
    luck = Double
    invited = Boolean
    since = DateTime
    seal = ByteArray
    bets = Array(Unicode)


class Guests(ServiceBase):
    @rpc(Unicode(min_occurs=1), _returns=Guest)
    def find(ctx, name):
        """Finds a guest by the name."""
        if name != "Polina":
            raise Fault("Client.Unknown", "no guest is called <%s>" % name)
        return Guest(
            name=name,
            chips=2**70,
            luck=0.25,
            invited=True,
            since=datetime.datetime(2026, 11, 22, 1, 2, 3),
            seal=[b"\0\1\377"],
            bets=["red", "<&>"],
        )

    @rpc(Integer(min_occurs=1), _returns=Array(Integer))
    def numbers(ctx, count):
        return list(range(count))

    @rpc(Guest, _returns=Unicode)
    def describe(ctx, guest):
        return "%s %s %s %s" % (guest.name, guest.chips, guest.since.isoformat(), b"".join(guest.seal).hex())

    @rpc()
    def fail(ctx):
        raise ValueError("a secret of the house")


class Quiet(WSGIRequestHandler):
    def log_message(self, *words):
        pass


application = Application(
    [Guests],
    "urn:guests",
    name="Guests",
    in_protocol=Soap11(validator="lxml"),
    out_protocol=Soap11(),
)
server = make_server("127.0.0.1", 0, WsgiApplication(application), handler_class=Quiet)
print(server.server_address[1], flush=True)
server.serve_forever()
