"""What the scripts here share: starting croupier and the bare server, and reading what they took."""
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "target"))
CROUPIER = os.path.join(TARGET, "dist", "croupier")
PROFILED = os.path.join(TARGET, "profiling", "croupier")


def free_port():
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def document(method, params=""):
    """A `methodCall`; `params` are `<param>` elements."""
    return ('<?xml version="1.0"?>\n<methodCall><methodName>%s</methodName>%s</methodCall>'
            % (method, params and f"<params>{params}</params>")).encode()


def param(value):
    return f"<param><value>{value}</value></param>"


def post(path, body, media="text/xml", headers=()):
    """A whole HTTP/1.1 request."""
    further = "".join(f"{name}: {value}\r\n" for name, value in dict(headers).items())
    head = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\n{further}"
            f"Content-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


class Spin:
    """A spin of the American wheel, as one protocol has it."""

    def __init__(self, path, media=None, body=b"", headers=()):
        self.path, self.media, self.body, self.headers = path, media, body, dict(headers)

    def request(self):
        if self.media:
            return post(self.path, self.body, self.media, self.headers)
        return f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def script(self):
        """The same for wrk."""
        if not self.media:
            return ""
        headers = {"Content-Type": self.media, **self.headers}
        return ('wrk.method = "POST"\n' + "".join(f'wrk.headers["{name}"] = "{headers[name]}"\n' for name in headers) +
                f"wrk.body = [==[{self.body.decode()}]==]\n")


SPINS = {
    "XML-RPC": Spin("/wheel/american", "text/xml", document("spin")),
    "JSON-RPC": Spin("/wheel/american", "application/json", b'{"jsonrpc":"2.0","method":"spin","id":1}'),
    "REST": Spin("/wheel/american/spin"),
    "SOAP": Spin("/wheel/american", "text/xml; charset=utf-8",
                 b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
                 b'<w:spin xmlns:w="urn:croupier:wheel:american"/></e:Body></e:Envelope>'),
    "MCP": Spin("/wheel/american/mcp", "application/json",
                b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"spin","arguments":{}}}',
                {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}),
    "MCP 2026-07-28": Spin(
        "/wheel/american/mcp", "application/json",
        b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"spin","arguments":{},"_meta":{'
        b'"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}',
        {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
         "Mcp-Method": "tools/call", "Mcp-Name": "spin"}),
}


def bare_hyper():
    """The bare server that was built last."""
    built = [path for path in glob.glob(os.path.join(TARGET, "dist", "deps", "bare_hyper-*")) if "." not in path[-5:]]
    if not built:
        sys.exit("the bare server is not built: cargo bench --no-run")
    return max(built, key=os.path.getmtime)


class Server:
    """A server process that listens on a port of its own."""

    def __init__(self, command, before=()):
        command = [*before, *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if found := re.search(r"listens on http://([\d.]+):(\d+)", line):
                self.address = (found[1], int(found[2]))
                break
        else:
            sys.exit(f"{command[0]} did not start")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def url(self, path):
        return "http://%s:%d%s" % (*self.address, path)

    def memory(self, key):
        """`VmHWM`, the most memory held so far, or `VmRSS`, what is held now; in MiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{key}:\s+(\d+) kB", status.read())[1]) / 1024

    def cpu(self):
        """Seconds of processor time taken so far."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()


def croupier(binary=CROUPIER, access=False, before=()):
    """croupier with its built-in configuration, except for the port and the access log."""
    with open(os.path.join(HERE, "..", "config", "croupier.toml")) as file:
        text = file.read().replace("#access = true", f"access = {str(access).lower()}")
    config = tempfile.NamedTemporaryFile("w", suffix=".toml")
    config.write(text.replace("127.0.0.1:8008", "127.0.0.1:0"))
    config.flush()
    # The file may go once the server listens.
    with config:
        return Server([binary, "serve", "--config", config.name], before)


def bare(before=()):
    return Server([bare_hyper(), "127.0.0.1:0"], before)
