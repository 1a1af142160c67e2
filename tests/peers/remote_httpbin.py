"""httpbin, which returns what it was sent; prints the port on which it listens."""

import logging

from httpbin import app
from werkzeug.serving import make_server

logging.disable(logging.CRITICAL)
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
