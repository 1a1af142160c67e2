"""Calls made up from the OpenRPC documents of groups in front of SOAP services, with what is sent held to the services' own
schemas by libxml2.

    python3 soap_made_up.py CROUPIER FOLDER SEED CALLS [NAME...]

FOLDER has WSDL documents. Its file `index.tsv`, if there is one, says in its columns `name` and `entry` what they are called
and where each begins; otherwise each file `*.wsdl` is one.
Values are random, but valid by the JSON Schemas of the parameters: alternatives, attributes, derived types, facets. A call
that is refused counts as not valid. Documents of style rpc are left out, because no schema declares their elements, and so
are those that libxml2 cannot compile. Prints a line for each kind of failure, and as its last line how many calls there
were and how many were valid.
"""

import collections
import contextlib
import csv
import http.server
import json
import os
import pathlib
import re
import sys
import tempfile
import threading
import time
import urllib.parse

from lxml import etree

from made_up_values import Values
from running_gateway import request, running_gateway

XSD = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
XML_ATTRIBUTES = f"""<xs:schema xmlns:xs="{XSD[1:-1]}" targetNamespace="{XML_NAMESPACE}">
<xs:attribute name="lang" type="xs:language"/><xs:attribute name="base" type="xs:anyURI"/>
<xs:attribute name="space"><xs:simpleType><xs:restriction base="xs:NCName"><xs:enumeration value="default"/>
<xs:enumeration value="preserve"/></xs:restriction></xs:simpleType></xs:attribute></xs:schema>"""
# The refusal of parameters of which one excludes or needs another, which no document but WSDL can say.
INEXPRESSIBLE = re.compile("not sent: (only one of|one of)")


# ---- The schemas of a document ----------------------------------------------------------------------------------------

def documents(entry):
    """The documents of a description by their paths: the entry and what it imports and includes from the folder."""
    found, waiting = {}, [entry]
    while waiting:
        path = waiting.pop()
        if path in found or not os.path.isfile(path):
            continue
        found[path] = etree.parse(path, etree.XMLParser(huge_tree=True)).getroot()
        for link in found[path].iter(WSDL + "import", XSD + "import", XSD + "include", XSD + "redefine"):
            location = link.get("location") or link.get("schemaLocation") or ""
            if location and "://" not in location:
                waiting.append(os.path.normpath(os.path.join(os.path.dirname(path), location)))
    return found


def compiled(entry, folder):
    """One schema of all schemas of a description. libxml2 reads one document for each namespace, so one includes the others."""
    schemas = []
    for path, root in documents(entry).items():
        for schema in [root] if root.tag == XSD + "schema" else root.iter(XSD + "schema"):
            own = etree.fromstring(etree.tostring(schema, encoding="utf-8"), etree.XMLParser(huge_tree=True))
            schemas.append((own, path, schema is root))
    files = {path: f"{folder}/{at}.xsd" for at, (_, path, alone) in enumerate(schemas) if alone}

    def beside(path, link):
        location = link.get("schemaLocation") or ""
        return files.get(os.path.normpath(os.path.join(os.path.dirname(path), location)))

    included = {beside(path, link) for schema, path, _ in schemas for link in schema.iter(XSD + "include")}
    spaces = collections.defaultdict(list)
    for at, (schema, _, _) in enumerate(schemas):
        if f"{folder}/{at}.xsd" not in included:
            spaces[schema.get("targetNamespace", "")].append(f"{folder}/{at}.xsd")
    gathered = {space: f"{folder}/space{at}.xsd" for at, space in enumerate(spaces)}
    for at, (schema, path, _) in enumerate(schemas):
        for link in list(schema.iter(XSD + "import", XSD + "include")):
            space = link.get("namespace", "")
            if link.tag == XSD + "include":
                place = beside(path, link)
            else:
                place = f"{folder}/xml.xsd" if space == XML_NAMESPACE else gathered.get(space)
            if place:
                link.set("schemaLocation", place)
            elif link.tag == XSD + "include":
                link.getparent().remove(link)
            else:
                link.attrib.pop("schemaLocation", None)
        with open(f"{folder}/{at}.xsd", "wb") as file:
            file.write(etree.tostring(schema, encoding="utf-8"))

    def write(path, space, lines):
        target = f' targetNamespace="{space}"' if space else ""
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'<xs:schema xmlns:xs="{XSD[1:-1]}"{target}>{"".join(lines)}</xs:schema>')

    with open(f"{folder}/xml.xsd", "w", encoding="utf-8") as file:
        file.write(XML_ATTRIBUTES)
    for space, places in spaces.items():
        write(gathered[space], space, [f'<xs:include schemaLocation="{place}"/>' for place in places])
    named = [(f' namespace="{space}"' if space else "", place) for space, place in gathered.items()]
    write(f"{folder}/all.xsd", "urn:all", [f'<xs:import{space} schemaLocation="{place}"/>' for space, place in named])
    return etree.XMLSchema(file=f"{folder}/all.xsd")


# ---- The servers ------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def upstream(folder):
    """Serves the documents, and keeps the last message that came for each name."""
    received = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self, status, body=b""):
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            path = os.path.normpath(os.path.join(folder, urllib.parse.unquote(self.path.split("?")[0]).lstrip("/")))
            if not path.startswith(os.path.normpath(folder)) or not os.path.isfile(path):
                return self.respond(404)
            with open(path, "rb") as file:
                self.respond(200, file.read())

        def do_POST(self):
            received[self.path] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.respond(405)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], received
    finally:
        server.shutdown()


def gateway(program, rows, port):
    """The gateway with a group for each document; gives its port."""
    lines = []
    for row in rows:
        place = urllib.parse.quote(row["entry"])
        lines += [f'[group."/{row["name"]}".upstream]', f'urls = ["http://127.0.0.1:{port}/to/{row["name"]}"]',
                  'protocol = "soap"', f'description = "/{place}"']
    return running_gateway(program, lines)


def described(port, path):
    """The OpenRPC document of a group, as soon as its upstream has been read."""
    for _ in range(600):
        status, text = request(port, path)
        if status != 503:
            return json.loads(text)
        time.sleep(0.2)
    sys.exit(f"{path}: the description of the upstream is not read")


def ask(port, path, body):
    return json.loads(request(port, path, body)[1])


# ---- The calls --------------------------------------------------------------------------------------------------------

def invalid(schema, message):
    """Why a message is not valid; `None` if it is."""
    parts = etree.fromstring(message)
    for block in (block for part in parts for block in part):
        # What is validated stands alone, with its own declarations.
        alone = etree.fromstring(etree.tostring(block, encoding="utf-8"))
        if schema.validate(alone):
            continue
        reasons = [re.sub(r"\{[^}]*\}", "", error.message) for error in schema.error_log]
        if any("No matching global" in reason for reason in reasons):
            continue
        return reasons[0]
    return None


def calls_of(row, folder, port, received, schema, seed, count):
    """Makes calls to the methods of one document; gives how many were valid, and the reasons of the others."""
    document = described(port, f"/{row['name']}/openrpc.json")
    definitions = document.get("components", {}).get("schemas", {})
    methods = [method for method in document["methods"] if not method["name"].startswith("rpc.")]
    values, valid, failures = Values(definitions, f"{seed} {row['name']}"), 0, collections.Counter()
    for number in range(count if methods else 0):
        method = methods[number % len(methods)]
        required = {param["name"] for param in method["params"] if param.get("required")}
        try:
            params = {param["name"]: values.value(param["schema"], 1) for param in method["params"]
                      if param["name"] in required or values.wants(0)}
        except RecursionError as error:
            failures[f"{method['name']}: {error}"] += 1
            continue
        received.pop(f"/to/{row['name']}", None)
        call = {"jsonrpc": "2.0", "id": f"made up {number}", "method": method["name"], "params": params}
        answer = ask(port, f"/{row['name']}", json.dumps(call))
        message = received.get(f"/to/{row['name']}")
        reason = answer.get("error", answer).get("message") if message is None else invalid(schema, message)
        if reason is None:
            valid += 1
        else:
            failures[f"{method['name']}: {'not sent: ' if message is None else ''}{reason}"] += 1
            if os.environ.get("SHOW"):
                print(json.dumps(params, ensure_ascii=False), message and message.decode(), file=sys.stderr)
    return valid, failures


def descriptions(folder):
    """The name and the first document of each description in a folder."""
    index = os.path.join(folder, "index.tsv")
    if os.path.isfile(index):
        with open(index, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))
    entries = sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*.wsdl"))
    return [{"name": re.sub("[^A-Za-z0-9]+", "-", entry), "entry": entry} for entry in entries]


def main(program, folder, seed, calls, *names):
    rows = [row for row in descriptions(folder) if row.get("readable") != "no"]
    rows = [row for row in rows if not names or row["name"] in names]
    schemas = {}
    for row in rows:
        entry = os.path.normpath(os.path.join(folder, row["entry"]))
        with open(entry, encoding="utf-8", errors="replace") as file:
            if 'style="rpc"' in file.read():
                continue
        with tempfile.TemporaryDirectory() as place, contextlib.suppress(etree.Error, OSError):
            schemas[row["name"]] = compiled(entry, place)
    rows = [row for row in rows if row["name"] in schemas]
    made = valid = inexpressible = 0
    with upstream(folder) as (port, received), gateway(program, rows, port) as own:
        for row in rows:
            good, failures = calls_of(row, folder, own, received, schemas[row["name"]], seed, -(-int(calls) // len(rows)))
            made, valid = made + good + sum(failures.values()), valid + good
            inexpressible += sum(times for reason, times in failures.items() if INEXPRESSIBLE.search(reason))
            for reason, times in failures.most_common():
                print(f"{row['name']}: {times} x {reason[:300]}", flush=True)
    print(f"{made} calls of {len(rows)} documents, {valid} valid, {inexpressible} with parameters of which one excludes another")


if __name__ == "__main__":
    main(*sys.argv[1:])
