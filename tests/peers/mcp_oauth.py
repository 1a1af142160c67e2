"""`mcp` for Python with a group that takes tokens. The client is not configured with the authorization server: it finds it by the
response to its first request, and gets a further scope when a call needs it. Prints the scopes that the client has asked for."""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mcp
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

SECRET = b"0123456789abcdef0123456789abcdef"
CALLBACK = "http://127.0.0.1:9/callback"


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(issuer, audience, scope):
    claims = {"iss": issuer, "aud": [audience, "croupier"], "sub": "ada", "scope": scope, "exp": int(time.time()) + 600}
    signed = part(b'{"alg":"HS256"}') + "." + part(json.dumps(claims).encode())
    return signed + "." + part(hmac.new(SECRET, signed.encode(), hashlib.sha256).digest())


class Issuer(BaseHTTPRequestHandler):
    """An authorization server whose user agrees to everything, but at first to one scope only."""

    codes = {}
    asked = []

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/.well-known/oauth-authorization-server/casino":
            self.json({
                "issuer": self.server.issuer,
                "authorization_endpoint": f"{self.server.issuer}/authorize",
                "token_endpoint": f"{self.server.issuer}/token",
                "registration_endpoint": f"{self.server.issuer}/register",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            })
        elif url.path == "/casino/authorize":
            scopes = query["scope"].split()
            granted = " ".join(scopes if self.asked else scopes[:1])
            self.asked.append(query["scope"])
            code = f"code-{len(self.codes)}"
            assert query["resource"] == endpoint, query
            self.codes[code] = (query["code_challenge"], query["resource"], granted)
            self.send_response(302)
            self.send_header("Location", f"{CALLBACK}?{urllib.parse.urlencode({'code': code, 'state': query['state']})}")
            self.end_headers()
        else:
            self.json({}, 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/casino/register":
            self.json({**json.loads(body), "client_id": "client-7", "token_endpoint_auth_method": "none"}, 201)
        elif self.path == "/casino/token":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            challenge, resource, scope = self.codes.pop(form["code"])
            assert part(hashlib.sha256(form["code_verifier"].encode()).digest()) == challenge, form
            assert form["resource"] == resource, form
            access = token(self.server.issuer, resource, scope)
            self.json({"access_token": access, "token_type": "Bearer", "expires_in": 600, "scope": scope})
        else:
            self.json({}, 404)

    def json(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Browser(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, and keeps where it leads."""

    def __init__(self):
        self.led_to = None

    def redirect_request(self, request, stream, code, message, headers, url):
        self.led_to = url
        return None

    async def visit(self, url):
        try:
            await asyncio.to_thread(urllib.request.build_opener(self).open, url)
        except urllib.error.HTTPError as error:
            assert error.code == 302, error

    async def callback(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.led_to).query))
        return AuthorizationCodeResult(code=query["code"], state=query["state"])


class Storage:
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def main(url):
    browser = Browser()
    metadata = OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="a test", token_endpoint_auth_method="none")
    auth = OAuthClientProvider(url, metadata, Storage(), browser.visit, browser.callback)
    async with create_mcp_http_client(auth=auth) as http:
        async with mcp.Client(streamable_http_client(url, http_client=http), read_timeout_seconds=60) as client:
            around = await client.call_tool("pockets", {})
            assert not around.is_error and len(around.structured_content["result"]) == 37, around
            assert Issuer.asked == ["wheel:look wheel:spin"], Issuer.asked
            spin = await client.call_tool("spin", {})
            assert not spin.is_error and len(spin.structured_content["result"]) == 4, spin
            assert len(Issuer.asked) == 2, Issuer.asked
    print("\n".join(Issuer.asked))


endpoint, port = sys.argv[1], int(sys.argv[2])
server = ThreadingHTTPServer(("127.0.0.1", port), Issuer)
server.issuer = f"http://127.0.0.1:{port}/casino"
threading.Thread(target=server.serve_forever, daemon=True).start()
asyncio.run(main(endpoint))
