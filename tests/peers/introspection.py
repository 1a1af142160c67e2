"""A server that describes itself: system.listMethods and what there is to know about each method."""

import sys
from xmlrpc.client import Fault, ServerProxy

TYPES = {"int", "boolean", "string", "double", "dateTime.iso8601", "base64", "array", "struct", "nil", "mixed"}

for path in ["/wheel/american", "/wheel/french", "/diagnostics"]:
    proxy = ServerProxy(sys.argv[1] + path)
    names = proxy.system.listMethods()
    assert len(names) == len(set(names)) and not any(name.startswith("_") for name in names), names
    assert {"system.listMethods", "system.methodHelp", "system.methodSignature", "system.multicall"} <= set(names), names
    for name in names:
        help_ = proxy.system.methodHelp(name)
        assert isinstance(help_, str) and help_, name
        signatures = proxy.system.methodSignature(name)
        for signature in signatures if isinstance(signatures, list) else []:
            assert signature and set(signature) <= TYPES, (name, signatures)

wheel = ServerProxy(sys.argv[1] + "/wheel/american")
assert {"spin", "spinList", "pockets"} <= set(wheel.system.listMethods())
assert wheel.system.methodSignature("spin") == [["array"]], wheel.system.methodSignature("spin")
assert sorted(wheel.system.methodSignature("spinList")) == [["array"], ["array", "int"]]
assert wheel.system.getCapabilities()["faults_interop"]["specVersion"] == 20010516
try:
    wheel.system.methodHelp("this_is_not_there")
except Fault as fault:
    assert fault.faultCode in (-32601, -32602), fault
else:
    raise AssertionError("an unknown method has help")
