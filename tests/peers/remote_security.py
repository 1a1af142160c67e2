"""A SOAP server out of the spyne package that answers only to a UsernameToken of WS-Security with a digest; prints the port
on which it listens. Its word is the version of SOAP, `1.1` or `1.2`.
"""

import base64
import datetime
import hashlib
import logging
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from spyne import Application, Fault, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

logging.disable(logging.CRITICAL)

USER = "porter & sons"
PASSWORD = 'k<y & "9" ü'
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = "{" + OASIS + "wssecurity-secext-1.0.xsd}"
WSU = "{" + OASIS + "wssecurity-utility-1.0.xsd}"
DIGEST = OASIS + "username-token-profile-1.0#PasswordDigest"
BASE64 = OASIS + "soap-message-security-1.0#Base64Binary"

used = set()


def refuse(why):
    raise Fault("Client.FailedAuthentication", why)


def check(ctx):
    """Lets a message pass whose token has the digest of the password, and a nonce that no other message had."""
    security = next((block for block in ctx.in_header_doc or [] if block.tag == WSSE + "Security"), None)
    token = None if security is None else security.find(WSSE + "UsernameToken")
    if token is None:
        refuse("the message has no token")
    if token.findtext(WSSE + "Username") != USER:
        refuse("the user is unknown")
    password, nonce, created = (token.find(name) for name in (WSSE + "Password", WSSE + "Nonce", WSU + "Created"))
    if password.get("Type") != DIGEST or nonce.get("EncodingType") != BASE64:
        refuse("the password is no digest")
    sent = datetime.datetime.fromisoformat(created.text.replace("Z", "+00:00"))
    if abs(datetime.datetime.now(datetime.timezone.utc) - sent) > datetime.timedelta(minutes=5):
        refuse("the message is old")
    parts = base64.b64decode(nonce.text, validate=True) + created.text.encode() + PASSWORD.encode()
    if base64.b64encode(hashlib.sha1(parts).digest()).decode() != password.text:
        refuse("the password is wrong")
    if nonce.text in used:
        refuse("the nonce was used before")
    used.add(nonce.text)


class Vault(ServiceBase):
    @rpc(Unicode(min_occurs=1), _returns=Unicode)
    def unlock(ctx, box):
        """Opens a box."""
        return "all of " + box


Vault.event_manager.add_listener("method_call", check)


class Quiet(WSGIRequestHandler):
    def log_message(self, *words):
        pass


protocol = {"1.1": Soap11, "1.2": Soap12}[sys.argv[1]]
application = Application([Vault], "urn:vault", in_protocol=protocol(validator="lxml"), out_protocol=protocol())
server = make_server("127.0.0.1", 0, WsgiApplication(application), handler_class=Quiet)
print(server.server_address[1], flush=True)
server.serve_forever()
