"""Values of every type, however nested, come back from /diagnostics as they were sent."""

import datetime
import sys
from xmlrpc.client import Binary, DateTime, ServerProxy

url = sys.argv[1] + "/diagnostics"
plain = ServerProxy(url)
typed = ServerProxy(url, allow_none=True, use_builtin_types=True)

noon = datetime.datetime(2026, 2, 28, 12, 0, 59)
for value in [
    0, 1, -1, 2**31 - 1, -(2**31), True, False, 1.5, -0.25, 1e300, 1e-300, 0.1, "", " ", "  blanks  ", "line\nbreak\ttab",
    "<&>\"' ]]>", "żółć \u4e2d\u6587 \U0001f3b2 \u0660", "x" * 100_000, [], [[]], [[[1], "a"], [], [[[[2]]]]], {}, {"": 1},
    {"a": {"b": {"c": [1, {"d": "e"}]}}}, {"clé <&>": "é", " blanks ": " "}, list(range(10_000)),
    {f"member {number}": {"number": number, "text": str(number)} for number in range(5_000)},
]:
    for proxy in (plain, typed):
        answer = proxy.echo(value)
        assert answer == value and type(answer) is type(value), (value, answer)

assert typed.echo(None) is None
assert typed.echo([None, {"a": None}]) == [None, {"a": None}]
assert plain.echo(DateTime(noon)) == DateTime(noon)
assert typed.echo(noon) == noon
assert typed.interopEchoTests.echoDate(noon) == noon
assert plain.interopEchoTests.echoDate(DateTime("19980717T14:08:55")).value == "19980717T14:08:55"

octets = bytes(range(256)) * 100
assert plain.echo(Binary(octets)).data == octets
assert typed.echo(octets) == octets
assert typed.echo(b"") == b""
assert plain.interopEchoTests.echoBase64(Binary(b"\0\xff")).data == b"\0\xff"

for method, value in [
    ("echoValue", [1, "a", 2.5]), ("echoString", "é"), ("echoInteger", -7), ("echoBoolean", True), ("echoFloat", 2.5),
    ("echoStruct", {"a": [1]}), ("echoStringArray", ["a", ""]), ("echoIntegerArray", [1, 2]),
    ("echoFloatArray", [0.5, 1.0]), ("echoStructArray", [{"a": 1}, {}]),
]:
    assert getattr(plain.interopEchoTests, method)(value) == value, method
assert plain.interopEchoTests.noInParams() == 0
assert plain.interopEchoTests.whichToolkit()["toolkitName"] == "croupier"
assert plain.count(list(range(20_000))) == 20_000
