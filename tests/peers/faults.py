"""Faults arrive as Fault with the codes of the interoperability specification, and a wrong path as ProtocolError."""

import http.client
import sys
from urllib.parse import urlsplit
from xmlrpc.client import Fault, ProtocolError, ServerProxy, loads

wheel = ServerProxy(sys.argv[1] + "/wheel/american")


def code(call):
    try:
        answer = call()
    except Fault as fault:
        assert isinstance(fault.faultString, str) and fault.faultString, fault
        return fault.faultCode
    raise AssertionError(f"answered {answer!r}")


def raw(body, headers={"Content-Type": "text/xml"}):
    connection = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc, timeout=10)
    connection.request("POST", "/RPC2", body, headers)
    response = connection.getresponse()
    assert response.status == 200, response.status
    return loads(response.read())


assert code(lambda: wheel.there_is_no_such_method()) == -32601
assert code(lambda: getattr(wheel, "_private")()) == -32601
assert code(lambda: getattr(wheel, "spin.__class__")()) == -32601
assert code(lambda: wheel.spinList("three")) == -32602
assert code(lambda: wheel.spinList(-1)) == -32602
assert code(lambda: wheel.spinList(1.5)) == -32602
assert code(lambda: wheel.spinList(1, 2)) == -32602
assert code(lambda: wheel.spin(1)) == -32602
assert code(lambda: raw(b"this is no XML")) == -32700
assert code(lambda: raw(b"<methodCall><methodName>spin</methodName>")) == -32700
assert code(lambda: raw(b"")) == -32700
assert code(lambda: raw(b"<a/>")) == -32600
assert code(lambda: raw(b'<?xml version="1.0" encoding="x-none"?><methodCall/>')) == -32701

for path in ["/nowhere", "/wheel", "/wheel/american/more", "/RPC"]:
    try:
        ServerProxy(sys.argv[1] + path).spin()
    except ProtocolError as error:
        assert (error.errcode, error.errmsg) == (404, "Not Found"), error
    else:
        raise AssertionError(f"{path} was answered")

# The connection of the proxy above went through all of this.
assert len(wheel.spin()) == 4
