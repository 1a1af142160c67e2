"""zeep as a client with a UsernameToken, to show that a server's own check of it is that of the profile.

Its words are the document's URL, the type of the password, the user, the password, and a box.
"""

import datetime
import sys

import zeep
from zeep.wsse.username import UsernameToken
from zeep.wsse.utils import WSU

document, kind, user, password, box = sys.argv[1:]
created = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
expires = created + datetime.timedelta(minutes=7)
stamp = WSU.Timestamp(WSU.Created(created.isoformat() + "Z"), WSU.Expires(expires.isoformat() + "Z"))
token = UsernameToken(user, password, use_digest=kind == "digest", created=created, timestamp_token=stamp)
client = zeep.Client(document, wsse=token)
binding = next(iter(next(iter(client.wsdl.services.values())).ports.values())).binding
print(client.create_service(binding.name.text, document.partition("?")[0]).unlock(box))
