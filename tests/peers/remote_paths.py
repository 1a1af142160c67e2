"""Two services at two paths of one server, out of Python's own library; prints the port on which it listens."""

import datetime
from xmlrpc.client import Binary, Fault
from xmlrpc.server import (
    MultiPathXMLRPCServer,
    SimpleXMLRPCDispatcher,
    SimpleXMLRPCRequestHandler,
)


class Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/house", "/guests")


class House:
    def opened(self):
        """When the house was opened."""
        return datetime.datetime(1863, 7, 1, 20, 30, 15)

    def seal(self):
        return Binary(bytes(range(256)))

    def nothing(self):
        return None

    def rows(self):
        return [[1, 2, 3], [], [[True, 2.5, "<&>"], None], [Binary(b"\0"), datetime.datetime(2026, 11, 22, 1, 2, 3)]]

    def echo(self, value):
        return value

    def refuse(self):
        raise Fault(42, "the house <refuses>")

    def broken(self):
        return 1 // 0


class Guests:
    def count(self):
        return 7


server = MultiPathXMLRPCServer(
    ("127.0.0.1", 0), Handler, logRequests=False, allow_none=True
)
for path, service in (("/house", House()), ("/guests", Guests())):
    dispatcher = SimpleXMLRPCDispatcher(allow_none=True)
    dispatcher.register_instance(service)
    dispatcher.register_introspection_functions()
    server.add_dispatcher(path, dispatcher)
print(server.server_address[1], flush=True)
server.serve_forever()
