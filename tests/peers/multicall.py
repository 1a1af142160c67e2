"""A MultiCall with failures among its calls: each result is there, and each failure is raised at its place."""

import sys
from xmlrpc.client import Fault, MultiCall, ServerProxy

wheel = ServerProxy(sys.argv[1] + "/wheel/american")
calls = MultiCall(wheel)
calls.spin()
calls.this_is_not_there()
calls.spinList(3)
calls.spinList("three")
calls.system.methodHelp("spin")
results = calls()

assert len(results[0]) == 4
assert len(results[2]) == 3
assert isinstance(results[4], str)
for index, code in [(1, -32601), (3, -32602)]:
    try:
        results[index]
    except Fault as fault:
        assert fault.faultCode == code, fault
    else:
        raise AssertionError(f"call {index} did not fail")

assert list(MultiCall(wheel)()) == []

try:
    calls = MultiCall(wheel)
    calls.system.multicall([])
    list(calls())
except Fault as fault:
    assert fault.faultCode == -32600, fault
else:
    raise AssertionError("a multicall within a multicall was answered")
