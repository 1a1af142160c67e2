"""Random values that are valid by JSON Schemas, for the scripts that make up calls from OpenRPC documents."""

import random
import re
import re._constants as sre
import re._parser as patterns

# How deep values may nest before they have nothing that is optional, and before they are given up.
OPTIONAL_DEPTH, MAX_DEPTH = 5, 24
# Texts whose patterns say less than their types.
SAMPLES = ["2024", "2024-02", "--02", "--02-29", "---29", "2024-02-29", "1999-12-31+01:00", "12:00:00Z", "23:59:59.5", "P1D", "-PT1.5S", "de-AT"]
# What a made-up value cannot know: elements and attributes of the schema at a wildcard.
FREE = [{"made": "up"}]


class Values:
    """Makes random values that are valid by JSON Schemas."""

    def __init__(self, definitions, seed):
        self.definitions, self.random = definitions, random.Random(seed)

    def value(self, schema, depth=0):
        if depth > MAX_DEPTH:
            raise RecursionError("what is required has no end")
        if not isinstance(schema, dict) or not schema:
            return self.random.choice(FREE)
        if "$ref" in schema:
            return self.value(self.definitions[schema["$ref"].rsplit("/", 1)[-1]], depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        kind = schema.get("type")
        kind = self.random.choice(kind) if isinstance(kind, list) else kind
        # A reference with a description of its own.
        if kind is None and "properties" not in schema and len(schema.get("allOf", [])) == 1:
            return self.value(schema["allOf"][0], depth)
        if kind == "object" or "properties" in schema or "allOf" in schema:
            return self.struct(schema, depth)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self.value(self.alternative(schema[word], depth), depth)
        made = {
            "array": lambda: self.list(schema, depth),
            "integer": lambda: self.integer(schema),
            "number": lambda: self.number(schema),
            "boolean": lambda: self.random.choice([True, False]),
            "null": lambda: None,
            "string": lambda: self.text(schema),
        }.get(kind)
        return made() if made else self.random.choice(FREE)

    def alternative(self, alternatives, depth):
        """One of several schemas. A deep value takes the first that is no reference, so that it has an end."""
        if depth > OPTIONAL_DEPTH:
            return next((it for it in alternatives if "$ref" not in it), alternatives[0])
        return self.random.choice(alternatives)

    def definition(self, schema):
        """What a schema refers to."""
        while isinstance(schema, dict) and "$ref" in schema:
            schema = self.definitions[schema["$ref"].rsplit("/", 1)[-1]]
        return schema if isinstance(schema, dict) else {}

    def at_least(self, schema, items):
        """The schema of a list of at least this many items."""
        return {**self.definition(schema), "minItems": items} if items else schema

    def of_type(self, alternatives, chosen):
        """The alternatives that do not name another type than the chosen one."""
        name = (chosen or {}).get("const")
        names = [self.definition(it).get("properties", {}).get("@type", {}).get("const", name) for it in alternatives]
        return [it for it, own in zip(alternatives, names) if name is None or own == name] or alternatives

    def struct(self, schema, depth):
        """Members that are required, some that are not, and of each choice those of one alternative."""
        schemas = [schema, *schema.get("allOf", [])]
        properties, required, excluded = {}, set(), set()
        together, least = {}, {}
        while schemas:
            one = self.definition(schemas.pop(0))
            if one is not schema:
                schemas.extend(one.get("allOf", []))
            for name, member in one.get("properties", {}).items():
                if isinstance(member, dict) and set(member) == {"minItems"}:
                    least[name] = member["minItems"]
                elif name != "@type" or "const" not in properties.get(name, {}):
                    properties[name] = member
            required.update(one.get("required", []))
            together.update(one.get("dependentRequired", {}))
            for alternatives in filter(None, (one.get("oneOf"), one.get("anyOf"))):
                chosen = self.alternative(self.of_type(alternatives, properties.get("@type")), depth)
                own = self.definition(chosen)
                names = set(own.get("properties", {})) | set(own.get("required", []))
                excluded |= {name for it in alternatives for name in self.definition(it).get("properties", {})} - names
                if isinstance(chosen, dict):
                    schemas.append({word: it for word, it in chosen.items() if word != "not"})
        wanted = [name for name in properties if name in required or (name not in excluded and self.wants(depth))]
        wanted += [name for member in wanted for name in together.get(member, []) if name not in wanted]
        members = {name: self.value(self.at_least(properties[name], least.get(name)), depth + 1) for name in wanted}
        if not members and properties and schema.get("minProperties"):
            name = self.random.choice(list(properties))
            members[name] = self.value(properties[name], depth + 1)
        further = schema.get("additionalProperties")
        if isinstance(further, dict) and "$ref" not in further and self.wants(depth):
            members["made up"] = self.value(further, depth + 1)
        return members

    def wants(self, depth):
        return depth < OPTIONAL_DEPTH and self.random.random() < 0.6 / (1 + depth / 3)

    def list(self, schema, depth):
        places = schema.get("prefixItems", schema.get("items"))
        if isinstance(places, list):
            return [self.value(item, depth + 1) for item in places]
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", least + 2), least + 2)
        count = least if depth > OPTIONAL_DEPTH else self.random.randint(least, most)
        return [self.value(schema.get("items", True), depth + 1) for _ in range(count)]

    def integer(self, schema):
        least = schema.get("minimum", schema.get("exclusiveMinimum", -1000) + 1 if "exclusiveMinimum" in schema else None)
        most = schema.get("maximum", schema.get("exclusiveMaximum", 1000) - 1 if "exclusiveMaximum" in schema else None)
        least = most - 1000 if least is None and most is not None and most < 0 else (0 if least is None else least)
        most = least + 1000 if most is None else most
        return self.random.choice([least, most, self.random.randint(least, most)])

    def number(self, schema):
        least, most = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
        if least is None and most is None:
            return self.random.choice([0, 1.5, -2.25])
        least = most - 2 if least is None else least
        most = least + 2 if most is None else most
        return (least + most) / 2

    def text(self, schema):
        if "pattern" in schema:
            samples = [sample for sample in SAMPLES if re.search(schema["pattern"], sample)]
            return self.random.choice(samples) if samples else self.matching(patterns.parse(schema["pattern"]))
        if schema.get("contentEncoding") == "base64":
            return "aGVsbG8="
        if schema.get("contentEncoding") == "base16":
            return "0AFF"
        formats = {
            "date-time": ["2024-02-29T12:00:00Z", "1999-12-31T23:59:59.5+01:00"], "date": ["2024-02-29"],
            "time": ["12:00:00Z"], "duration": ["P1D", "-PT1.5S"], "uri-reference": ["http://x.example/y"],
            "uri": ["http://x.example/y"], "url": ["http://x.example/y"], "email": ["x@y.example"], "hostname": ["x.example"],
            "uuid": ["123e4567-e89b-12d3-a456-426614174000"], "ipv4": ["192.0.2.7"], "ipv6": ["2001:db8::7"],
        }
        made = self.random.choice(formats.get(schema.get("format"), ["abc", "x", "Grüße"]))
        least, most = schema.get("minLength", 0), schema.get("maxLength", 10**6)
        return (made * (least // len(made) + 1))[:max(least, min(most, len(made)))]

    def matching(self, parsed):
        """A text that a regular expression matches."""
        made = ""
        for operation, operand in parsed:
            if operation is sre.LITERAL:
                made += chr(operand)
            elif operation is sre.ANY:
                made += "x"
            elif operation is sre.IN:
                made += self.one_of(operand)
            elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
                least, most, inside = operand
                count = self.random.randint(least, min(int(most), least + 2))
                made += "".join(self.matching(inside) for _ in range(count))
            elif operation is sre.BRANCH:
                made += self.matching(self.random.choice(operand[1]))
            elif operation is sre.SUBPATTERN:
                made += self.matching(operand[3])
            elif operation is not sre.AT:
                raise ValueError(f"no text is made for {operation}")
        return made

    def one_of(self, ranges):
        classes = {sre.CATEGORY_DIGIT: "0123456789", sre.CATEGORY_WORD: "abcXYZ_09", sre.CATEGORY_SPACE: " "}
        allowed = ""
        for operation, operand in ranges:
            if operation is sre.LITERAL:
                allowed += chr(operand)
            elif operation is sre.RANGE:
                allowed += "".join(map(chr, range(operand[0], min(operand[1], operand[0] + 100) + 1)))
            elif operation is sre.CATEGORY:
                allowed += classes.get(operand, "x")
        if ranges and ranges[0][0] is sre.NEGATE:
            return next(c for c in "aA1-_ .!" if c not in allowed)
        return self.random.choice(allowed)
