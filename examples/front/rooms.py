"""The rooms of the hotel: REST with an OpenAPI document."""

import http.server
import json
import sys
import urllib.parse

ROOMS = [
    {"number": 7, "beds": 2, "price": 81.5, "free": True},
    {"number": 12, "beds": 1, "price": 60, "free": False},
    {"number": 31, "beds": 3, "price": 110, "free": True},
]

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Rooms", "version": "1"},
    "paths": {
        "/rooms": {
            "get": {
                "operationId": "list",
                "summary": "Lists the free rooms.",
                "parameters": [
                    {"name": "beds", "in": "query", "description": "The least number of beds.", "schema": {"type": "integer", "minimum": 1, "default": 1}},
                ],
                "responses": {
                    "200": {
                        "description": "The rooms.",
                        "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Room"}}}},
                    },
                },
            },
        },
    },
    "components": {
        "schemas": {
            "Room": {
                "type": "object",
                "required": ["number", "beds", "price", "free"],
                "properties": {
                    "number": {"type": "integer"}, "beds": {"type": "integer"}, "price": {"type": "number"},
                    "free": {"type": "boolean"},
                },
            },
        },
    },
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/openapi.json":
            return self.respond(200, DOCUMENT)
        if path != "/rooms":
            return self.respond(404, {"detail": f"there is no {path}"})
        beds = int(urllib.parse.parse_qs(query).get("beds", ["1"])[0])
        self.respond(200, [room for room in ROOMS if room["free"] and room["beds"] >= beds])

    def respond(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
