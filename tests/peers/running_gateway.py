"""A gateway that runs while a script needs it, and requests to it."""

import contextlib
import http.client
import re
import subprocess
import sys
import tempfile


@contextlib.contextmanager
def running_gateway(program, lines):
    """A gateway with these lines of a configuration; gives its port."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/c.toml", "w", encoding="utf-8") as file:
            file.write("\n".join(['listen = ["127.0.0.1:0"]', "[log]", "access = false", *lines]))
        with open(f"{folder}/log", "w+", encoding="utf-8") as log:
            process = subprocess.Popen([program, "serve", "--config", f"{folder}/c.toml"], stdout=log, stderr=log)
            try:
                address = None
                while address is None and process.poll() is None:
                    with open(f"{folder}/log", encoding="utf-8") as said:
                        address = re.search(r"listens on http://127\.0\.0\.1:(\d+)", said.read())
                if address is None:
                    log.seek(0)
                    sys.exit(f"the gateway does not serve: {log.read()}")
                yield int(address.group(1))
            finally:
                process.terminate()
                process.wait(30)


def request(port, path, body=None):
    """The status and the body of the response to a GET, or to a POST of JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request("POST" if body else "GET", path, body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, text
