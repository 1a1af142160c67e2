"""The kitchen of the hotel: XML-RPC."""

import sys
from xmlrpc.server import SimpleXMLRPCServer

DISHES = {
    "fish": {"name": "Trout & almonds", "price": 19.5, "left": 4},
    "soup": {"name": "Pumpkin soup", "price": 8.0, "left": 20},
    "cake": {"name": "Apple cake", "price": 6.5, "left": 0},
}


def menu(only_left):
    """Lists the dishes of the evening.

    @param boolean only_left Whether dishes that are sold out are left out.
    """
    return [dish for dish in DISHES.values() if dish["left"] > 0 or not only_left]


server = SimpleXMLRPCServer(("127.0.0.1", int(sys.argv[1])), logRequests=False)
server.register_introspection_functions()
server.register_function(menu)
server.serve_forever()
