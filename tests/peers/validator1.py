"""The eight methods of the validator1 suite, as its client calls them."""

import random
import sys
from xmlrpc.client import Binary, DateTime, ServerProxy

suite = ServerProxy(sys.argv[1] + "/diagnostics").validator1
chance = random.Random(1998)


def stooges():
    return {name: chance.randint(-1000, 1000) for name in ("curly", "larry", "moe", "shemp")}


def total(struct):
    return struct["moe"] + struct["larry"] + struct["curly"]


structs = [stooges() for _ in range(20)]
assert suite.arrayOfStructsTest(structs) == sum(struct["curly"] for struct in structs)

text = "".join(chance.choice("<>&'\"abc \né") for _ in range(500))
assert suite.countTheEntities(text) == {
    "ctLeftAngleBrackets": text.count("<"),
    "ctRightAngleBrackets": text.count(">"),
    "ctAmpersands": text.count("&"),
    "ctApostrophes": text.count("'"),
    "ctQuotes": text.count('"'),
}

struct = stooges()
assert suite.easyStructTest(struct) == total(struct)

struct = {f"substruct{number}": stooges() for number in range(10)}
assert suite.echoStructTest(struct) == struct

many = [12, True, "<text> & more", 3.25, DateTime("20260228T12:00:59"), Binary(b"\0\1\xff")]
assert suite.manyTypesTest(*many) == many

texts = [f"<{number}>" for number in range(chance.randint(100, 200))]
assert suite.moderateSizeArrayCheck(texts) == texts[0] + texts[-1]

calendar = {
    str(year): {f"{month:02}": {f"{day:02}": stooges() for day in range(1, 4)} for month in range(1, 7)}
    for year in (1999, 2000, 2001)
}
assert suite.nestedStructTest(calendar) == total(calendar["2000"]["04"]["01"])

assert suite.simpleStructReturnTest(-7) == {"times10": -70, "times100": -700, "times1000": -7000}
