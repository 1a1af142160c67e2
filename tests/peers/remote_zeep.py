"""A zeep client that was generated from the own WSDL document of a SOAP server and calls the gateway in front of it: only
the address is changed.

Its words are the document's URL, the address of the group, and calls as JSON: `["method", argument, ...]`. Each ends the
same at both addresses, faults with their details.
"""

import json
import sys

import zeep
from lxml import etree
from zeep.exceptions import Fault
from zeep.helpers import serialize_object

document, group, *calls = sys.argv[1:]
client = zeep.Client(document)
binding = next(iter(next(iter(client.wsdl.services.values())).ports.values())).binding
straight, through = (client.create_service(binding.name.text, url) for url in (document.partition("?")[0], group))


def ended(service, method, arguments):
    try:
        return "answer", serialize_object(service[method](*arguments))
    except Fault as fault:
        detail = None if fault.detail is None else etree.tostring(fault.detail, method="c14n")
        return "fault", fault.code, fault.message, detail


for call in calls:
    method, *arguments = json.loads(call)
    here, there = (ended(service, method, arguments) for service in (through, straight))
    assert here == there, (call, here, there)
    print(call, here)
