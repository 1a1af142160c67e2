"""The bookings of the hotel: SOAP with a WSDL document."""

import http.server
import pathlib
import sys
import xml.etree.ElementTree as tree
from xml.sax.saxutils import escape

WSDL = pathlib.Path(__file__).with_name("bookings.wsdl").read_bytes()
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
OWN = "urn:hotel:bookings"
GUESTS = [("Ann Bell", 12, 2), ("Bo & Co", 14, 1)]


def arrivals(day):
    """The guests of a day. On the first of a month nobody arrives."""
    if day.endswith("-01"):
        return ""
    return "".join(
        f"<guest><name>{escape(name)}</name><room>{room}</room><nights>{nights}</nights></guest>" for name, room, nights in GUESTS
    )


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.respond(WSDL)

    def do_POST(self):
        request = tree.fromstring(self.rfile.read(int(self.headers["Content-Length"])))
        day = request.find(f".//{{{OWN}}}day").text
        self.respond(
            f'<e:Envelope xmlns:e="{ENVELOPE}"><e:Body><arrivalsResponse xmlns="{OWN}">{arrivals(day)}</arrivalsResponse></e:Body></e:Envelope>'
            .encode()
        )

    def respond(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
