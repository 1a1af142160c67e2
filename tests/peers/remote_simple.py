"""A server of Python's own library with introspection, which knows no signatures; prints the port on which it listens."""

from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer


class Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)


def join(*words):
    return "-".join(str(word) for word in words)


def total(amounts, bonus=0):
    """Adds the amounts."""
    return sum(amounts) + bonus


def nothing():
    return "none"


server = SimpleXMLRPCServer(("127.0.0.1", 0), requestHandler=Handler, logRequests=False, allow_none=True)
server.register_introspection_functions()
server.register_multicall_functions()
for function in (join, total, nothing):
    server.register_function(function)
print(server.server_address[1], flush=True)
server.serve_forever()
