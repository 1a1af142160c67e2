"""jsonrpcclient's messages over urllib: calls by position and by name, notifications, batches, errors."""

import json
import sys
from urllib.request import Request, urlopen

from jsonrpcclient import Error, Ok, notification, parse, request, request_json


def post(path, message):
    body = message if isinstance(message, str) else json.dumps(message)
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(sys.argv[1] + path, body.encode(), headers)) as response:
        return response.status, response.read()


def ask(path, message):
    status, body = post(path, message)
    assert status == 200, status
    return parse(json.loads(body))


spin = ask("/wheel", request("spin"))
assert isinstance(spin, Ok) and len(spin.result) == 4, spin
assert len(ask("/wheel", request("spinList", params=(1000,))).result) == 1000
assert len(ask("/wheel", request("spinList", params={"spins": 7})).result) == 7

for value in [None, True, 0, 2**53 + 1, 2**63 - 1, -(2**63), 0.1, 5e-324, "żółć \U0001f3b2\x00", [], [[1], {}], {"": {"a": [1.5]}}]:
    for params in [(value,), {"value": value}]:
        answer = ask("/every", request("free", params=params))
        assert answer.result == value and type(answer.result) is type(value), (value, answer)

for identity in [0, -1, 2**70, 1.5, "a", ""]:
    assert ask("/every", request("nothing", id=identity)) == Ok(None, identity)

for message in [notification("nothing"), notification("nowhere", params=[1]), [notification("nothing")] * 3]:
    assert post("/every", message) == (204, b""), message

for message, code in [
    (request("nowhere"), -32601),
    (request("later", params={"a": 1}), -32602),
    (request("later", params=[1, 2, 3]), -32602),
    (request("limited", params=[11]), 4711),
    (request_json("nothing")[:-1], -32700),
    ({"jsonrpc": "2.0", "method": 1, "id": 5}, -32600),
    (request("free", params=[float("nan")]), -32700),
]:
    answer = ask("/every", message)
    assert isinstance(answer, Error) and answer.code == code, (message, answer)

batch = [request("later", params=[1, 2], id=1), notification("nothing"), request("nowhere", id="b"), request("points", params=[2], id=3)]
first, second, third = ask("/every", batch)
assert first == Ok(3, 1) and second.code == -32601 and second.id == "b", (first, second)
assert third.id == 3 and len(third.result) == 2, third
