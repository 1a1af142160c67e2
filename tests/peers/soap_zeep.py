"""zeep against the gateway: both styles and both versions of SOAP, a wheel, faults, and values of every type."""

import sys
from datetime import datetime, timedelta, timezone

import zeep
from zeep import xsd
from zeep.exceptions import Fault

base = sys.argv[1]
COLOURS = {"GREEN", "RED", "BLACK"}


def wheel(query):
    client = zeep.Client(f"{base}/wheel/american?wsdl{query}")
    for port in next(iter(client.wsdl.services.values())).ports:
        yield client.bind("AmericanWheel", port)


def items(result, name="item"):
    """What a type with one member holds: zeep gives it for the type where that is the whole answer, but not always."""
    return getattr(result, name, result)


def spin(service):
    for _ in range(5):
        pocket = service.spin()
        assert pocket.color in COLOURS and pocket.range in {"LOW", "HIGH", "ZERO"}, pocket
    assert len(items(service.spinList(3))) == 3
    assert not items(service.spinList(spins=0))
    counts = items(service.spinCounts(1000), "entry")
    assert sum(entry.value for entry in counts) == 1000 and len(counts) == 38, counts
    assert [pocket.number for pocket in items(service.pockets())][:2] == ["0", "28"]


def refused(call, codes, text):
    try:
        answer = call()
    except Fault as fault:
        assert fault.code.split(":")[-1] in codes, fault.code
        assert text in fault.message, fault.message
        return fault
    raise AssertionError(f"answered {answer!r}")


def faults(service, twelve):
    fault = refused(lambda: service.spinList(10**9), {"Client", "Sender"}, "`spins` is at most")
    if twelve:
        assert [code.localname for code in fault.subcodes] == ["BadArguments"], fault.subcodes


def every_type(service, rpc):
    as_list = (lambda items: {"item": items}) if rpc else (lambda items: items)
    numbers = dict(
        tiny=-128, byte=255, short=-32768, int=100, count=2**32 - 1, large=-(2**63), huge=2**64 - 1, share=0.5, single=1.5
    )
    assert dict(zeep.helpers.serialize_object(service.numbers(**numbers))) == numbers

    text = "<&>\"' ]]> \u017c\u00f3\u0142\u0107 \U0001f3b2"
    texts = service.texts(text=text, flag=True, colour="BLACK", letter="\u00e9")
    assert (texts.text, texts.flag, texts.colour, texts.letter) == (text, True, "BLACK", "\u00e9"), texts

    left_out = dict.fromkeys(["may", "otherwise", "point", "colour"], xsd.SkipValue)
    given = service.optional(must=1, **left_out)
    assert (given.must, given.may, given.otherwise, given.point, given.colour) == (1, None, 7, None, "RED"), given
    nil = service.optional(must=1, may=xsd.Nil, otherwise=8, point=xsd.Nil, colour="GREEN")
    assert (nil.may, nil.otherwise, nil.point, nil.colour) == (None, 8, None, "GREEN"), nil
    full = service.optional(must=1, may=2, otherwise=3, point={"x": 1, "y": 2, "label": "p"}, colour="RED")
    assert (full.may, full.point.x, full.point.label) == (2, 1.0, "p"), full

    for when in [datetime(2026, 2, 28, 12, 0, 59), datetime(2026, 2, 28, 12, 0, 59, 500000, timezone(timedelta(hours=2)))]:
        octets = bytes(range(256))
        moment = service.moment(when=when, data=octets)
        assert (moment.when, moment.data) == (when, octets), moment

    point = {"x": 1.0, "y": -2.5, "label": None}
    lists = service.lists(
        numbers=as_list([1, 2, 3]),
        table=as_list([{"item": [1.5, 2]}, {"item": []}]),
        points=as_list([point, point]),
        notes=as_list(["a", xsd.Nil, ""]),
    )
    lists = zeep.helpers.serialize_object(lists, dict)
    assert lists["numbers"] == [1, 2, 3] and lists["points"] == [point, point], lists
    assert [row["item"] if row else [] for row in lists["table"]] == [[1.5, 2.0], []], lists
    assert [note or "" for note in lists["notes"]] == ["a", "", ""] and lists["notes"][1] is None, lists
    empty = service.lists(**{name: as_list([]) for name in ["numbers", "table", "points", "notes"]})
    assert empty is None, empty  # zeep's word for a record of empty lists

    counted = service.maps(
        numbers={"entry": [{"key": "a b", "value": 2**40}, {"key": "", "value": 1}]},
        points={"entry": [{"key": "p", "value": point}]},
    )
    assert {entry.key or "": entry.value for entry in counted.numbers.entry} == {"a b": 2**40, "": 1}, counted
    assert (counted.sum, counted.points) == (2**40 + 1, 1), counted

    place = {"room": "r", "shelf": 1}
    inner = {"name": "inner", "place": place, "folders": []}
    folder = {"name": "outer", "place": place, "folders": [inner, inner]}
    assert zeep.helpers.serialize_object(service.folder(folder=folder), dict) == folder

    pair = service.pair(pair={"arg1": 7, "arg2": "seven"})
    assert (pair.arg1, pair.arg2) == ("seven", 7), pair
    assert service.divide(1, 4) == 0.25
    assert service.divide(1, 0) == float("inf")
    assert service.divide(float("-inf"), 1) == float("-inf")
    assert service.nothing() is None
    assert len(items(service.points(count=2))) == 2
    assert service.later(2, 3) == 5
    fault = refused(lambda: service.limited(11), {"Server", "Receiver"}, "11 is more than 10")
    assert "4711" in "".join(fault.detail.itertext()), fault.detail


def free(service):
    date = datetime(2026, 2, 28, 12, 0, 59)
    for name, value in [("string", ""), ("string", "a"), ("boolean", False), ("int", 0), ("double", 0.0), ("int", -(2**40)), ("double", 1.5), ("dateTime", date), ("base64", b"\0a")]:
        answered = service.free(value={name: value})[name]
        assert answered == (value if value != "" else None), (name, answered)
    assert not any(zeep.helpers.serialize_object(service.free(value={"nil": xsd.Nil}), dict).values())
    array = service.free(value={"array": {"item": [{"int": 1}, {"string": "a"}, {"array": {}}]}})
    assert array.array.item[0].int == 1 and array.array.item[1].string == "a", array
    struct = service.free(value={"struct": {"member": [{"name": "a", "value": {"int": 1}}, {"name": "b", "value": {"double": 2}}]}})
    assert [(member.name, member.value.int, member.value.double) for member in struct.struct.member] == [
        ("a", 1, None),
        ("b", None, 2.0),
    ], struct


for query in ["", "&style=rpc", "&soap=1.2", "&soap=both", "&style=rpc&soap=1.2"]:
    for at, service in enumerate(wheel(query)):
        spin(service)
        faults(service, "1.2" in query or at == 1)
    client = zeep.Client(f"{base}/every?WSDL{query}")
    every_type(client.service, "rpc" in query)
    free(client.service)
