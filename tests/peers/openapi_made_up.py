"""Calls made up from the OpenRPC documents of groups in front of REST servers, with the requests held to the servers' own
documents by Prism.

    python3 openapi_made_up.py CROUPIER PRISM SEED CALLS DOCUMENT...

PRISM is the script that serves each document with Prism. Values are random, but valid by the JSON Schemas of the parameters. The
calls are made in turn over JSON-RPC, XML-RPC and SOAP: for the last two, a second gateway calls the first over the protocol.
A call that is refused counts as not valid. Results are validated by the schemas of the group. Prints a line for each kind of failure, and
as its last line how many calls there were, how many were valid, how many of the others have an excuse, and of how many results how many
were valid.
"""

import collections
import contextlib
import json
import os
import re
import subprocess
import sys
import time

import jsonschema

from made_up_values import Values
from running_gateway import request, running_gateway

PROTOCOLS = ["json-rpc", "xml-rpc", "soap"]
# Problems of Prism that are about the request. Its others are about the document or the response that it made up.
REFUSALS = re.compile("UNPROCESSABLE_ENTITY|NO_PATH_MATCHED|NO_METHOD_MATCHED|INVALID_CONTENT_TYPE|UNSUPPORTED|UNAUTHORIZED")
# What only the document of the server can say: that a body, which may be left out, has members that must not be missing.
INEXPRESSIBLE = re.compile("Invalid request: body Request body must have required property '([^']*)'")
# What Prism refuses although it is valid: it looks for characters that have to be encoded in multipart forms, which encode none.
MISJUDGED = re.compile("Reserved characters used in request body")
# How long the gateway may take to read a document, in seconds.
PATIENCE = 60


# ---- The servers ------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def prism(script, files):
    """Prism for each document: the ports of those that it serves, in a dictionary."""
    process = subprocess.Popen(["node", script, *files], stdout=subprocess.PIPE, text=True)
    try:
        ports = {}
        for file in files:
            line = process.stdout.readline().strip()
            if line.isdigit():
                ports[file] = int(line)
            else:
                print(f"{name_of(file)}: {line}", flush=True)
        yield ports
    finally:
        process.terminate()
        process.wait(30)


def gateway(program, groups):
    """A gateway with groups: their paths, the URLs, the protocol, and further keys of their upstreams. Gives its port."""
    lines = ["[xml-rpc]", 'nil = "nil"', 'big-integers = "string"']
    for path, url, protocol, further in groups:
        lines += [f'[group."{path}".upstream]', f'urls = ["{url}"]', f'protocol = "{protocol}"', *further]
    return running_gateway(program, lines)


def described(port, path):
    """The OpenRPC document of a group as soon as its upstream has been read; `None` if it has none."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        status, text = request(port, f"{path}/openrpc.json")
        if status == 200:
            return json.loads(text)
        time.sleep(0.2)
    return None


def name_of(file):
    return re.sub("[^A-Za-z0-9]+", "-", os.path.splitext(os.path.basename(file))[0]).strip("-")


# ---- The calls --------------------------------------------------------------------------------------------------------

def refusal(answer):
    """Why a call was not valid; `None` if it was."""
    error = answer.get("error")
    if error is None:
        return None
    message, data = error.get("message", ""), error.get("data")
    code = error.get("code", 0)
    if code < 0 and "kind" in (data or {}) and data["kind"] in ("unreachable", "late"):
        return None if "HTTP status 3" in message else f"no response: {message}"
    if not 400 <= code <= 599:
        return f"not sent: {message}"
    if not isinstance(data, dict) or "type" not in data:
        return None
    if not REFUSALS.search(str(data["type"])):
        return None
    found = data.get("validation") or [{}]
    first = found[0]
    return f"{data.get('title')}: {'.'.join(map(str, first.get('location', [])))} {first.get('message', '')}"


class Document:
    """One document behind both gateways."""

    def __init__(self, name, seed, described):
        self.name, self.described = name, described
        self.components = {"components": described.get("components", {})}
        self.methods = [method for method in described["methods"] if not method["name"].startswith("rpc.")]
        self.values = Values(self.components["components"].get("schemas", {}), f"{seed} {name}")

    def params(self, method, by_position):
        """The required parameters and some others; by position, all before the last one."""
        chosen = [param for param in method["params"] if param.get("required") or self.values.wants(0)]
        if by_position and chosen:
            last = max(method["params"].index(param) for param in chosen)
            chosen = method["params"][:last + 1]
        return {param["name"]: self.values.value(param["schema"], 1) for param in chosen}

    def excuses(self, method, reason):
        """Whether a call that is not valid is valid by the document of the group, or is valid after all."""
        missing = INEXPRESSIBLE.search(reason)
        optional = [param["name"] for param in method["params"] if not param.get("required")]
        return bool(MISJUDGED.search(reason)) or missing is not None and missing.group(1) in optional

    def mismatch(self, method, result):
        """Why a result is not valid by its schema, which is one of draft 7 in OpenRPC; `None` if it is."""
        schema = method["result"]["schema"]
        schema = {"allOf": [schema], **self.components}
        error = jsonschema.exceptions.best_match(jsonschema.Draft7Validator(schema).iter_errors(result))
        return None if error is None else f"{'.'.join(map(str, error.absolute_path))}: {error.message[:100]}"


def calls_of(document, ports, count, tally):
    for number in range(count):
        method = document.methods[number % len(document.methods)]
        protocol = PROTOCOLS[(number + number // len(document.methods)) % len(PROTOCOLS)]
        path = f"/{document.name}" if protocol == "json-rpc" else f"/{protocol}/{document.name}"
        place = f"{document.name} {method['name']} over {protocol}"
        tally["calls"] += 1
        try:
            params = document.params(method, protocol == "xml-rpc")
        except (RecursionError, ValueError) as error:
            tally[f"{document.name} {method['name']}: no value is made: {error}"] += 1
            continue
        call = {"jsonrpc": "2.0", "id": f"made up {number}", "method": method["name"], "params": params}
        answer = json.loads(request(ports[0 if protocol == "json-rpc" else 1], path, json.dumps(call))[1])
        reason = refusal(answer)
        if reason is not None:
            tally[f"{place}: {reason}"] += 1
            tally["excused"] += document.excuses(method, reason)
            if os.environ.get("SHOW"):
                print(json.dumps(params, ensure_ascii=False), json.dumps(answer, ensure_ascii=False)[:1500], file=sys.stderr)
            continue
        tally["valid"] += 1
        if "result" in answer and protocol == "json-rpc":
            tally["results"] += 1
            mismatch = document.mismatch(method, answer["result"])
            tally["valid results" if mismatch is None else f"{place}: the result: {mismatch}"] += 1


def main(program, script, seed, calls, *files):
    files = [os.path.abspath(file) for file in files]
    tally = collections.Counter()
    with prism(script, files) as servers, contextlib.ExitStack() as open_gateways:
        direct = [(f"/{name_of(file)}", f"http://127.0.0.1:{port}/", "rest", [f'description = "file:{file}"'])
                  for file, port in servers.items()]
        own = open_gateways.enter_context(gateway(program, direct))
        documents = [(name_of(file), described(own, f"/{name_of(file)}")) for file in servers]
        for name in (name for name, read in documents if read is None):
            print(f"{name}: croupier does not read it", flush=True)
        documents = [Document(name, seed, read) for name, read in documents if read is not None]
        documents = [document for document in documents if document.methods]
        through = []
        for document in documents:
            names = [f'params = {{ {params_of(document)} }}'] if params_of(document) else []
            through += [(f"/xml-rpc/{document.name}", f"http://127.0.0.1:{own}/{document.name}", "xml-rpc", names),
                        (f"/soap/{document.name}", f"http://127.0.0.1:{own}/{document.name}", "soap", [])]
        ports = own, open_gateways.enter_context(gateway(program, through))
        for path, *_ in through:
            if described(ports[1], path) is None:
                print(f"{path}: croupier does not read its own description", flush=True)
        for document in documents:
            calls_of(document, ports, -(-int(calls) // len(documents)), tally)
    totals = {word: tally.pop(word, 0) for word in ("calls", "valid", "excused", "results", "valid results")}
    for reason, times in tally.most_common():
        print(f"{times} x {reason[:400]}", flush=True)
    print(f"{totals['calls']} calls of {len(documents)} documents, {totals['valid']} valid, {totals['excused']} excused, "
          f"{totals['results']} results, {totals['valid results']} valid")


def params_of(document):
    """The names of the parameters, which XML-RPC does not have."""
    named = {method["name"]: [param["name"] for param in method["params"]] for method in document.methods}
    return ", ".join(f"{json.dumps(name)} = {json.dumps(names)}" for name, names in named.items() if names)


if __name__ == "__main__":
    main(*sys.argv[1:])
