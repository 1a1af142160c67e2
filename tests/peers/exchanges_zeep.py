"""Writes the calls of exchanges as zeep writes them: a line of JSON for each, with its name and the message or the error.

Its words are folders of exchanges. The arguments are in croupier's form and are put into zeep's here: types named by `@type`,
attributes, texts with attributes, lists in place of types with one repeated element, repeated groups as records of lists, and
content without types as elements.
"""

import decimal
import json
import pathlib
import sys

import zeep
from lxml import etree
from zeep import xsd
from zeep.xsd.elements.any import Any, AnyAttribute
from zeep.xsd.elements.indicators import Choice, Indicator

XSD = "{http://www.w3.org/2001/XMLSchema}"
# The types whose texts Python has values for.
PARSED = ("DateTime", "Date", "Time", "Duration", "Decimal", "gYear", "gYearMonth", "gMonthDay")


def local(name):
    return name.rpartition(":")[2].rpartition("}")[2]


def repeated(elements):
    """The groups that are repeated, with their names in zeep."""
    for name, element in elements:
        if isinstance(element, Indicator) and element.accepts_multiple:
            yield name, element
        elif isinstance(element, Indicator):
            yield from repeated(element.elements)


class Form:
    """Values in zeep's form, by the types of a document."""

    def __init__(self, client, document):
        self.types = client.wsdl.types
        tree = etree.parse(document)
        wildcard = tree.find(f".//{XSD}any[@namespace='##targetNamespace']")
        schema = None if wildcard is None else next(wildcard.iterancestors(f"{XSD}schema"))
        self.namespace = "" if schema is None else "{%s}" % schema.get("targetNamespace")

    def named(self, value):
        """The type that a struct names, and its other members."""
        name = value.get("@type") or value.get("xsi:type")
        kinds = (kind for kind in self.types.types if kind.name == local(name or "") and isinstance(kind, xsd.ComplexType))
        kind = next(kinds, None)
        if kind is None:
            return None, value
        return kind, {name: it for name, it in value.items() if name not in ("@type", "xsi:type")}

    def value(self, kind, value):
        if value is None:
            return xsd.Nil
        if type(kind) is xsd.AnyType:
            return self.any(value)
        if not isinstance(kind, xsd.ComplexType):
            return self.plain(kind, value)
        if isinstance(value, dict):
            chosen, members = self.named(value)
            return self.members(kind, value) if chosen is None else chosen(**self.members(chosen, members))
        groups = list(repeated(kind.elements_nested))
        if groups:
            return {groups[0][0]: [one for members in value for one in self.rounds(groups[0][1], members)]}
        [(name, element)] = kind.elements
        if isinstance(element, Any):
            return {name: etree.fromstring(value)}
        if isinstance(value, list):
            return {name: [self.value(element.type, item) for item in value]}
        return {name: self.plain(element.type, value)}

    def plain(self, kind, value):
        if isinstance(value, list):
            return [self.plain(getattr(kind, "item_type", kind), item) for item in value]
        names = [base.__name__ for base in type(kind).__mro__]
        if isinstance(value, str) and any(name in names for name in PARSED):
            return kind.pythonvalue(value)
        if "Base64Binary" in names:
            return kind.pythonvalue(value)
        return float(value) if isinstance(value, decimal.Decimal) and "Decimal" not in names else value

    def rounds(self, group, members):
        """A record of lists as the rounds of a repeated group: in the order of the members, or each with one item of each."""
        elements = {element.name: (key, element) for key, element in group.elements}
        items = {name: it if isinstance(it, list) else [it] for name, it in members.items()}
        made = {elements[name][0]: [self.value(elements[name][1].type, it) for it in all] for name, all in items.items()}
        inside = {name for part in group if isinstance(part, Indicator) for name, _ in part.elements}
        together = [name for name in made if name in inside or not isinstance(group, Choice)]
        alone = [{name: it} for name, all in made.items() if name not in together for it in all]
        count = max((len(made[name]) for name in together), default=0)
        return alone + [{name: made[name][at] for name in together if at < len(made[name])} for at in range(count)]

    def members(self, kind, value):
        made, left, attributes_left = {}, {}, {}
        attributes = {attribute.name: name for name, attribute in kind.attributes if not isinstance(attribute, AnyAttribute)}
        further = next((name for name, attribute in kind.attributes if isinstance(attribute, AnyAttribute)), None)
        groups = list(repeated(kind.elements_nested))
        inside = {element.name for _, group in groups for _, element in group.elements}
        elements, again = {}, {}
        for key, element in kind.elements:
            (again if element.name in elements else elements)[element.name] = (key, element)
        is_text = [key for key, _ in kind.elements] == ["_value_1"] and not any(isinstance(it, Any) for _, it in kind.elements)
        in_groups = {name: it for name, it in value.items() if name in inside}
        for name, it in value.items():
            if name in in_groups:
                continue
            if is_text and name == "value":
                made["_value_1"] = self.plain(kind.elements[0][1].type, it)
            elif name in elements and elements[name][0] != "_value_1":
                key, element = elements[name]
                if name in again and isinstance(it, list) and not element.accepts_multiple:
                    made[key], made[again[name][0]] = it
                elif element.accepts_multiple and isinstance(it, list):
                    made[key] = [self.value(element.type, item) for item in it]
                elif it is not None or (element.nillable and not element.accepts_multiple):
                    made[key] = self.value(element.type, it)
            elif name.removeprefix("@") in attributes:
                made[attributes[name.removeprefix("@")]] = it
            elif name.startswith("@") and further:
                attributes_left[name[1:]] = str(it)
            else:
                left[name] = it
        if in_groups:
            made[groups[0][0]] = self.rounds(groups[0][1], in_groups)
        if attributes_left:
            made[further] = attributes_left
        if left:
            key, wildcard = next((key, element) for key, element in kind.elements if isinstance(element, Any))
            parts = [part for name, it in left.items() for part in self.free(name, it)]
            made[key] = parts if wildcard.accepts_multiple else parts[0]
        return made

    def any(self, value):
        """A value of any type."""
        if isinstance(value, dict):
            kind, members = self.named(value)
            return kind(**self.members(kind, members))
        for known, kind in ((bool, xsd.Boolean), (int, xsd.Int), (decimal.Decimal, xsd.Decimal), (str, xsd.String)):
            if isinstance(value, known):
                return xsd.AnyObject(kind(), value)
        raise ValueError("there is no form for this value of any type")

    def free(self, name, value):
        """Elements without a type, or the XML of a text in their place."""
        if name == "any":
            all = value if isinstance(value, list) else [value]
            return [part for it in all for part in self.unwrapped(it)]
        made = []
        for item in value if isinstance(value, list) else [value]:
            element = etree.Element(self.namespace + name)
            self.fill(element, item)
            made.append(element)
        return made

    def unwrapped(self, value):
        if isinstance(value, str):
            return [etree.fromstring(value)]
        return [part for name, it in value.items() for part in self.free(name, it)]

    def fill(self, element, value):
        if value is None:
            element.set("{http://www.w3.org/2001/XMLSchema-instance}nil", "true")
            return
        if not isinstance(value, dict):
            element.text = str(value).lower() if isinstance(value, bool) else str(value)
            return
        for name, it in value.items():
            if name == "#text":
                element.text = str(it)
            elif name.startswith("@"):
                element.set(name[1:], str(it))
            else:
                element.extend(self.free(name, it))


def message(client, document, exchange):
    head, _, arguments = exchange.read_text().split("=== ")[1].partition("\n")
    method = head.split(" ")[1]
    service = client.bind()
    binding = next(iter(next(iter(client.wsdl.services.values())).ports.values())).binding
    operation = next(it for name, it in binding._operations.items() if name.replace("-", "_") == method)
    form, given = Form(client, document), json.loads(arguments or "{}", parse_float=decimal.Decimal)
    body, header = operation.input.body.type, operation.input.header
    blocks = header.type.elements if header is not None and header.type is not None else []
    declared = {element.name: (key, element) for key, element in blocks}
    own = {element.name for _, element in body.elements} | {name for name, _ in body.attributes} if isinstance(body, xsd.ComplexType) else set()
    headers = {}
    for name in [name for name in given if name not in own]:
        key, element = declared.get(name) or declared.get(name.removesuffix("Header")) or (None, None)
        if key is not None:
            headers[key] = form.value(element.type, given.pop(name))
    extra = {"_soapheaders": headers} if headers else {}
    if not isinstance(body, xsd.ComplexType):
        [only] = given.values()
        sent = client.create_message(service, operation.name, form.plain(body, only), **extra)
    else:
        if list(given) == [getattr(operation.input.body, "name", None)] and not own & set(given):
            [given] = given.values()
        sent = client.create_message(service, operation.name, **form.members(body, given), **extra)
    return etree.tostring(sent, encoding="unicode")


for folder in map(pathlib.Path, sys.argv[1:]):
    document = str(folder / "service.wsdl")
    exchanges = sorted(folder.glob("*.exchange"))
    try:
        client = zeep.Client(document)
    except Exception as error:
        for exchange in exchanges:
            print(json.dumps({"name": f"{folder.name}/{exchange.stem}", "error": repr(error)}))
        continue
    for exchange in exchanges:
        said = {"name": f"{folder.name}/{exchange.stem}"}
        try:
            said["message"] = message(client, document, exchange)
        except Exception as error:
            said["error"] = repr(error)
        print(json.dumps(said))
