"""The tools of groups in front of the servers of OpenAPI and WSDL documents, held to the rules of strict MCP clients.

    python3 mcp_documents.py CROUPIER DOCUMENT...

The tools of each group are listed in each revision of the protocol, page by page. A schema is held to JSON Schema and to what the
strictest clients and models take: no references, a plain object at the root, lists that say what their items are, names
of 48 characters. Prints a line for each document and for each broken rule, and as its last line how many documents there are, how
many are read, how many tools they have, and how many rules are broken.
"""

import collections
import http.client
import json
import os
import re
import subprocess
import sys
import time

import jsonschema

from running_gateway import request, running_gateway

# How long one document may take to be read, in seconds.
PATIENCE = 120
HANDSHAKE_REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25"]
STATELESS_REVISION = "2026-07-28"
VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"

KEYWORDS = set(
    "type description format enum properties required items anyOf default minimum maximum exclusiveMinimum exclusiveMaximum "
    "multipleOf minLength maxLength minItems maxItems uniqueItems minProperties maxProperties pattern".split())
TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}
FORMATS = {"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
LARGEST = 2 ** 53
TOOL_NAME = re.compile("[A-Za-z0-9_-]{1,48}")
# What some models take for a property. Other names are counted, because a server may have them.
PLAIN_NAME = re.compile("[a-zA-Z0-9_.-]{1,64}")
MAX_DESCRIPTION = 1025
MAX_SCHEMA = 64 << 10
MAX_PAGES = 1000


# ---- The rules --------------------------------------------------------------------------------------------------------

class Rules:
    """Checks tools, and gathers what is wrong with them, and numbers about them."""

    def __init__(self):
        self.broken = []
        self.odd_names = 0
        self.incomplete = 0
        self.sizes = []
        self.depth = 0

    def tool(self, tool):
        name = tool.get("name", "")
        self.expect(TOOL_NAME.fullmatch(name), name, "the name")
        description = tool.get("description")
        self.expect(isinstance(description, str) and 0 < len(description) <= MAX_DESCRIPTION, name, "the description")
        self.expect("\ufffd" not in (description or ""), name, "a character of the description is replaced")
        self.schema(tool.get("inputSchema"), f"{name} input", True)
        if "outputSchema" in tool:
            self.schema(tool["outputSchema"], f"{name} output", False)

    def schema(self, schema, place, is_input):
        text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
        self.sizes.append(len(text.encode()))
        self.incomplete += "Not shown in full." in text
        self.expect(self.sizes[-1] <= MAX_SCHEMA, place, "the size")
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            self.expect(False, place, f"JSON Schema: {error.message[:200]}")
            return
        root = dict(schema)
        closed = root.pop("additionalProperties", False)
        self.expect(closed is False and (is_input or "additionalProperties" not in schema), place, "additionalProperties")
        self.expect(schema.get("type") == "object", place, "the type of the root")
        self.expect(isinstance(schema.get("properties"), dict), place, "the properties of the root")
        self.expect(not {"anyOf", "enum", "items"} & set(schema), place, "the keywords of the root")
        self.part(root, place, 1)

    def part(self, schema, place, depth):
        """One schema at any depth."""
        self.depth = max(self.depth, depth)
        if not self.expect(isinstance(schema, dict), place, "a schema that is no object"):
            return
        self.expect(not set(schema) - KEYWORDS, place, f"keywords {sorted(set(schema) - KEYWORDS)}")
        types = schema.get("type", [])
        types = types if isinstance(types, list) else [types]
        self.expect(set(types) <= TYPES and len(set(types)) == len(types), place, "the types")
        self.expect("array" not in types or isinstance(schema.get("items"), dict), place, "a list without items")
        self.expect(schema.get("description") != "", place, "an empty description")
        self.expect(schema.get("format", "date") in FORMATS, place, "the format")
        members = schema.get("properties", {})
        self.expect(set(schema.get("required", [])) <= set(members), place, "a required member that is not described")
        # JavaScript has no difference between 1 and 1.0.
        values = [json.dumps(float(it) if isinstance(it, (int, float)) and not isinstance(it, bool) else it)
                  for it in schema.get("enum", [])]
        self.expect(len(set(values)) == len(values) and schema.get("enum", [1]), place, "the listed values")
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "default"):
            value = schema.get(keyword)
            self.expect(not isinstance(value, int) or abs(value) <= LARGEST, place, f"{keyword} that would be rounded")
        if "default" in schema:
            undecided = {key: value for key, value in schema.items() if key in ("type", "enum")}
            self.expect(jsonschema.Draft202012Validator(undecided).is_valid(schema["default"]), place, "the default value")
        alternatives = schema.get("anyOf", [])
        self.expect("anyOf" not in schema or len(alternatives) > 1, place, "a choice of one")
        self.expect(not alternatives or not {"type", "properties", "items", "enum"} & set(schema), place, "types beside a choice")
        self.odd_names += sum(not PLAIN_NAME.fullmatch(name) for name in members)
        for name, member in members.items():
            self.part(member, f"{place}.{name}", depth + 1)
        for alternative in alternatives:
            self.part(alternative, f"{place}|", depth + 1)
        if "items" in schema:
            self.part(schema["items"], f"{place}[]", depth + 1)

    def expect(self, holds, place, what):
        if not holds:
            self.broken.append(f"{place}: {what}")
        return bool(holds)


# ---- The lists --------------------------------------------------------------------------------------------------------

def posted(port, path, revision, method, params):
    """The result of a request of a revision."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
               "MCP-Protocol-Version": revision}
    if revision == STATELESS_REVISION:
        headers["Mcp-Method"] = method
        params = {**params, "_meta": {VERSION: revision, CAPABILITIES: {}}}
    message = {"jsonrpc": "2.0", "id": 17, "method": method, "params": params}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", path, json.dumps(message), headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    answer = json.loads(text) if text else {}
    if response.status != 200 or "result" not in answer or answer.get("id") != 17:
        raise ValueError(f"{revision}: status {response.status}: {text[:200]!r}")
    return answer["result"]


def listed(port, path, revision, rules):
    """All tools of a group, and the number of pages."""
    tools, cursors, cursor = [], set(), None
    while True:
        result = posted(port, path, revision, "tools/list", {} if cursor is None else {"cursor": cursor})
        tools += result["tools"]
        is_stateless = revision == STATELESS_REVISION
        own = {"resultType", "ttlMs", "cacheScope"} & set(result)
        rules.expect(own == ({"resultType", "ttlMs", "cacheScope"} if is_stateless else set()), revision, f"members {sorted(own)}")
        cursor = result.get("nextCursor")
        if cursor is None:
            return tools, len(cursors) + 1
        rules.expect(cursor not in cursors, revision, "a cursor that was there before")
        cursors.add(cursor)
        if len(cursors) >= MAX_PAGES:
            rules.expect(False, revision, "the list has no end")
            return tools, len(cursors)


def methods_of(port, path):
    """The number of methods of a group, as soon as its upstream has been read; `None` if it is not."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        status, text = request(port, f"{path}/openrpc.json")
        if status == 200:
            names = [method["name"] for method in json.loads(text)["methods"]]
            return sum(not name.startswith(("rpc.", "system.", "_")) for name in names)
        time.sleep(0.2)
    return None


def checked(port, path, methods):
    """What there is to say of a group: a line, the number of its tools, and the broken rules."""
    rules = Rules()
    by_revision, known = {}, None
    for revision in [*HANDSHAKE_REVISIONS, STATELESS_REVISION]:
        tools, pages = listed(port, f"{path}/mcp", revision, rules)
        names = [tool["name"] for tool in tools]
        rules.expect(names == sorted(set(names)), revision, "the order of the names, or one that occurs twice")
        by_revision[revision] = names
        # The rules are those of the last revisions.
        if revision in (HANDSHAKE_REVISIONS[-1], STATELESS_REVISION) and tools != known:
            known = tools
            for tool in tools:
                rules.tool(tool)
    rules.expect(len(set(map(tuple, by_revision.values()))) == 1, path, "the tools differ between revisions")
    rules.expect(len(names) == methods, path, f"{len(names)} tools, but {methods} methods")
    line = (f"{len(names)} tools, {pages} pages, {len(json.dumps(known)) >> 10} KiB, schemas up to {max(rules.sizes, default=0)} bytes and {rules.depth} levels, "
            f"{rules.incomplete} incomplete, {rules.odd_names} names of members that some models refuse")
    return line, len(names), rules.broken


# ---- The documents ----------------------------------------------------------------------------------------------------

def protocol_of(file):
    with open(file, "rb") as document:
        return "soap" if document.read(512).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") else "rest"


def is_read(program, file):
    """Why `croupier add` does not read a document; `None` if it does."""
    told = subprocess.run([program, "add", file], capture_output=True, text=True, timeout=PATIENCE)
    return None if told.returncode == 0 else (told.stderr.strip().split("\n") or [""])[-1]


def main(program, *files):
    files = [os.path.abspath(file) for file in files]
    lines, paths = [], collections.OrderedDict()
    for file in files:
        problem = is_read(program, file)
        if problem:
            print(f"{os.path.basename(file)}: {problem}", flush=True)
            continue
        name = re.sub("[^A-Za-z0-9]+", "-", os.path.splitext(os.path.basename(file))[0]).strip("-")
        path = f"/{name}" if f"/{name}" not in paths else f"/{name}-{len(paths)}"
        paths[path] = file
        lines += [f'[group."{path}".upstream]', 'urls = ["http://127.0.0.1:9/"]', f'protocol = "{protocol_of(file)}"',
                  f'description = "file:{file}"']
    tools = broken = 0
    with running_gateway(program, lines) as port:
        for path in paths:
            methods = methods_of(port, path)
            try:
                line, count, problems = checked(port, path, methods)
            except (ValueError, KeyError, OSError) as error:
                line, count, problems = "no list", 0, [str(error)]
            print(f"{path}: {line}", flush=True)
            for problem, times in collections.Counter(problems).items():
                print(f"    {problem}" + (f" ({times} times)" if times > 1 else ""))
            tools, broken = tools + count, broken + len(problems)
    print(f"{len(files)} documents, {len(paths)} read, {tools} tools, {broken} broken rules")


if __name__ == "__main__":
    main(*sys.argv[1:])
