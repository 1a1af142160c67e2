"""What croupier publishes of REST servers: the OpenAPI, OpenRPC and WSDL documents of a group for each OpenAPI document.

    python3 openapi_documents.py CROUPIER DOCUMENT...

openapi-spec-validator reads the first, the meta-schema of OpenRPC judges the second, zeep reads the third. Prints a line for each
document and for each operation that is left out, and as its last line how many documents there are, how many are read, and
how many documents of each kind are valid.
"""

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time

import zeep
from openapi_spec_validator import validate

from openapi_made_up import gateway, name_of
from running_gateway import request

# How long one document may take to be read, in seconds.
PATIENCE = 120
OFFERED = re.compile(r"It offers (\d+) method")
LEFT_OUT = re.compile(r"Its operation `([^`]*)` is left out: (.*)")


def offers(program, file):
    """What `croupier add` says of a document: how many methods it offers, what is left out, and why nothing is read."""
    told = subprocess.run([program, "add", file], capture_output=True, text=True, timeout=PATIENCE)
    text = re.sub(r"\n#   (?=\S)", " ", told.stdout)
    offered = OFFERED.search(text)
    problem = None if told.returncode == 0 else told.stderr.strip().split("\n")[-1]
    return int(offered.group(1)) if offered else 0, LEFT_OUT.findall(text), problem


def fetched(port, path):
    """A document of a group as soon as its upstream has been read."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        status, text = request(port, path)
        if status != 503:
            return status, text
        time.sleep(0.2)
    return 503, b""


def invalid_openapi(text):
    try:
        validate(json.loads(text))
    except Exception as error:  # Each library below raises exceptions of its own.
        return str(error).split("\n")[0][:200]
    return None


def invalid_wsdl(file):
    try:
        operations = zeep.Client(file).service
        return None if dir(operations) else "there are no operations"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"


def main(program, *files):
    files = [os.path.abspath(file) for file in files]
    logging.disable(logging.CRITICAL)
    read = []
    for file in files:
        count, left_out, problem = offers(program, file)
        print(f"{name_of(file)}: {problem or f'{count} of {count + len(left_out)} operations'}", flush=True)
        for operation, reason in left_out:
            print(f"    {operation}: {reason}")
        read += [] if problem else [file]
    groups = [(f"/{name_of(file)}", "http://127.0.0.1:9/", "rest", [f'description = "file:{file}"']) for file in read]
    valid = {"OpenAPI": 0, "OpenRPC": 0, "WSDL": 0}
    with gateway(program, groups) as port, tempfile.TemporaryDirectory() as folder:
        openrpc = []
        for path, *_ in groups:
            start = time.monotonic()
            problem = invalid_openapi(fetched(port, f"{path}/openapi.json")[1])
            valid["OpenAPI"] += problem is None
            if problem:
                print(f"{path}: OpenAPI: {problem}", flush=True)
            place = f"{folder}{path}"
            for ending, query in ((".json", "/openrpc.json"), (".wsdl", "?wsdl")):
                with open(place + ending, "wb") as document:
                    document.write(fetched(port, path + query)[1])
            openrpc.append(place + ".json")
            problem = invalid_wsdl(place + ".wsdl")
            valid["WSDL"] += problem is None
            if problem:
                print(f"{path}: WSDL: {problem}", flush=True)
            if os.environ.get("SHOW"):
                print(f"{path}: {time.monotonic() - start:.1f} s", file=sys.stderr)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "openrpc_meta.js")
        judged = subprocess.run(["node", script, *openrpc], capture_output=True, text=True, check=True).stdout.splitlines()
        for (path, *_), problem in zip(groups, judged):
            valid["OpenRPC"] += problem == "valid"
            if problem != "valid":
                print(f"{path}: OpenRPC: {problem}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in valid.items())
    print(f"{len(files)} documents, {len(read)} read, valid: {kinds}")


if __name__ == "__main__":
    main(*sys.argv[1:])
