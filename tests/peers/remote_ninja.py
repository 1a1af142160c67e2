"""A REST server with Django Ninja; prints the port on which it listens."""

import datetime
import enum
import logging
import typing
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="not secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, INSTALLED_APPS=["ninja"], APPEND_SLASH=False,
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from ninja import File, Form, NinjaAPI, Query, Schema  # noqa: E402
from ninja.errors import HttpError  # noqa: E402
from ninja.files import UploadedFile  # noqa: E402

api = NinjaAPI(title="Tables", version="7")


class Kind(enum.Enum):
    wheel = "wheel"
    cards = "cards"


class Seat(Schema):
    guest: str
    chips: int = 0


class Table(Schema):
    name: str
    kind: Kind = Kind.wheel
    opened: datetime.datetime | None = None
    seats: list[Seat] = []


class Stored(Table):
    id: int


class Refusal(Schema):
    reason: str


class Filters(Schema):
    kind: list[Kind] = []
    least: int = 0
    name: str | None = None


class Note(Schema):
    text: str
    stars: int = 3


tables = {}


@api.post("/tables", operation_id="open_table", response={201: Stored, 409: Refusal})
def open_table(request, table: Table):
    if any(other.name == table.name for other in tables.values()):
        return 409, {"reason": f"{table.name} is open"}
    number = len(tables) + 7
    tables[number] = Stored(id=number, **table.dict())
    return 201, tables[number]


@api.get("/tables", operation_id="list_tables", response=list[Stored])
def list_tables(request, filters: Query[Filters]):
    return [
        table for table in tables.values()
        if (not filters.kind or table.kind in filters.kind) and len(table.seats) >= filters.least
        and filters.name in (None, table.name)
    ]


@api.get("/tables/{int:number}", response=Stored)
def read_table(request, number: int):
    if number not in tables:
        raise HttpError(404, f"there is no table {number}")
    return tables[number]


@api.put("/tables/{int:number}/seats/{name}", operation_id="sit", response=Stored)
def sit(request, number: int, name: str, chips: int):
    table = tables[number]
    table.seats.append(Seat(guest=name, chips=chips))
    return table


@api.delete("/tables/{int:number}", operation_id="close_table", response={204: None})
def close_table(request, number: int):
    del tables[number]
    return 204, None


@api.post("/notes", operation_id="note")
def note(request, note: Form[Note], picture: File[UploadedFile], further: File[typing.Optional[list[UploadedFile]]] = None):
    return {
        "text": note.text, "stars": note.stars, "size": picture.size, "begins": picture.read()[:2].hex(),
        "further": [file.read().decode() for file in further or []],
    }


@api.post("/form", operation_id="form")
def form(request, note: Form[Note]):
    return [note.text, note.stars]


@api.get("/plain", operation_id="plain")
def plain(request):
    return HttpResponse("a < b", content_type="text/plain; charset=utf-8")


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


urlpatterns = [path("api/", api.urls)]


def main():
    logging.disable(logging.CRITICAL)
    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Silent)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
