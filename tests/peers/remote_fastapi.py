"""A REST server with FastAPI and uvicorn: parameters, bodies and responses of every kind; prints the port on which it listens."""

import datetime
import decimal
import enum
import logging
import socket
import typing
import uuid

import uvicorn
from fastapi import Body, Cookie, FastAPI, File, Form, Header, HTTPException, Path, Query, Request, Response, UploadFile
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field

app = FastAPI(title="Guests", version="7", description="A list of guests.", root_path="")


class Colour(str, enum.Enum):
    red = "red"
    black = "black"


class Address(BaseModel):
    street: str
    city: str | None = None


class Guest(BaseModel):
    name: str = Field(min_length=1)
    chips: int = 0
    stake: decimal.Decimal = decimal.Decimal("0.10")
    luck: float | None = None
    born: datetime.date | None = None
    invited: bool = True
    colour: Colour = Colour.red
    address: Address | None = None
    bets: list[str] = []
    scores: dict[str, int] = {}
    partner: typing.Optional["Guest"] = None


class NumberedGuest(Guest):
    id: int


class Change(BaseModel):
    name: str | None = None
    chips: int | None = None


class Cat(BaseModel):
    kind: typing.Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: typing.Literal["dog"]
    tricks: list[str]


guests = {}


def found(number):
    if number not in guests:
        raise HTTPException(404, f"there is no guest {number}")
    return guests[number]


@app.post("/guests", operation_id="addGuest", status_code=201)
def add(guest: Guest) -> NumberedGuest:
    number = 9007199254740993 + len(guests)
    guests[number] = NumberedGuest(id=number, **guest.model_dump())
    return guests[number]


@app.get("/guests", operation_id="listGuests")
def list_all(
    least: int = 0,
    colours: typing.Annotated[list[Colour], Query()] = [Colour.red, Colour.black],
    limit: typing.Annotated[int, Query(ge=1, le=100)] = 10,
) -> list[NumberedGuest]:
    chosen = [guest for guest in guests.values() if guest.chips >= least and guest.colour in colours]
    return chosen[:limit]


@app.get("/guests/{number}", operation_id="readGuest")
def read(number: int) -> NumberedGuest:
    return found(number)


@app.put("/guests/{number}", operation_id="replaceGuest")
def replace(number: int, guest: Guest) -> NumberedGuest:
    found(number)
    guests[number] = NumberedGuest(id=number, **guest.model_dump())
    return guests[number]


@app.patch("/guests/{number}", operation_id="amendGuest")
def amend(number: int, change: Change) -> NumberedGuest:
    guest = found(number)
    guests[number] = guest.model_copy(update=change.model_dump(exclude_unset=True))
    return guests[number]


@app.delete("/guests/{number}", operation_id="removeGuest", status_code=204)
def remove(number: int) -> None:
    found(number)
    del guests[number]


@app.get("/echo/{name}/{day}/{key}", operation_id="echo")
def echo(
    name: str,
    day: datetime.date,
    key: uuid.UUID,
    request: Request,
    flag: bool,
    ratio: float = 0.5,
    words: typing.Annotated[list[str] | None, Query(alias="word")] = None,
    at: datetime.datetime | None = None,
    x_trace: typing.Annotated[str | None, Header()] = None,
    x_counts: typing.Annotated[list[int] | None, Header()] = None,
    session: typing.Annotated[str | None, Cookie()] = None,
    big: int | None = None,
):
    return {
        "name": name, "day": day, "key": key, "flag": flag, "ratio": ratio, "words": words, "at": at, "trace": x_trace,
        "counts": x_counts, "session": session, "big": big, "query": sorted(request.query_params.keys()),
    }


@app.post("/login", operation_id="login")
def login(
    user: typing.Annotated[str, Form()],
    password: typing.Annotated[str, Form()],
    stay: typing.Annotated[bool, Form()] = False,
    roles: typing.Annotated[list[str], Form()] = [],
):
    if password != "rien & plus":
        raise HTTPException(401, "the password is wrong")
    return [user, stay, roles]


@app.post("/photos/{album}", operation_id="upload")
async def upload(
    album: str,
    photo: UploadFile,
    title: typing.Annotated[str, Form()],
    more: list[UploadFile] = [],
    seal: typing.Annotated[bytes | None, File()] = None,
):
    content = await photo.read()
    return {
        "album": album, "title": title, "first": content[:1].hex(), "length": len(content), "type": photo.content_type,
        "more": [(await file.read()).decode("latin-1") for file in more], "seal": None if seal is None else seal.hex(),
    }


@app.get("/picture", operation_id="picture", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def picture(size: int = 4):
    return Response(bytes(range(256))[:size], media_type="image/png")


@app.get("/stream", operation_id="stream", response_class=StreamingResponse, responses={200: {"content": {"application/x-ndjson": {}}}})
def stream(count: int):
    return StreamingResponse((f'{{"number": {number}}}\n' for number in range(count)), media_type="application/x-ndjson")


@app.get("/text", operation_id="text", response_class=PlainTextResponse)
def text() -> str:
    return "Grüße, 7 < 8"


@app.post("/animals", operation_id="animal")
def animal(animal: typing.Annotated[Cat | Dog, Body(discriminator="kind")]):
    return {"kind": animal.kind, "said": animal.lives if isinstance(animal, Cat) else animal.tricks}


@app.post("/sum", operation_id="sum")
def sum_of(numbers: list[int]) -> int:
    return sum(numbers)


@app.post("/move/{unit}", operation_id="move")
def move(unit: Colour, start: Address, end: Address, speed: typing.Annotated[float, Body(gt=0)] = 1.5):
    return [unit, start, end, speed]


@app.get("/free", operation_id="free")
def free(nested: bool = False):
    return {"nothing": None, "list": [1, [2.5, "x"], {}], "deep": {"nested": nested, "big": 2**70, "tiny": 1e-7}}


@app.get("/conflict", operation_id="conflict")
def conflict():
    raise HTTPException(409, {"message": "the guest sits at two tables", "tables": [7, 8]})


@app.get("/crash", operation_id="crash")
def crash():
    raise ValueError("red or black")


@app.get("/elsewhere", operation_id="elsewhere")
def elsewhere():
    return RedirectResponse("/text")


@app.head("/text", operation_id="headOfText")
def head_of_text():
    return Response()


@app.get("/segments/{number}", operation_id="segment")
def segment(number: typing.Annotated[int, Path(ge=1)], deprecated: typing.Annotated[str, Query(deprecated=True)] = "x"):
    return number


def main():
    logging.disable(logging.CRITICAL)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listener])


if __name__ == "__main__":
    main()
