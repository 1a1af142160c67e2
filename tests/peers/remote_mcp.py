"""An MCP server with the package `mcp`: over standard input and output, or over HTTP in one of its forms; prints the port on which it
listens.

The form is `stdio`, `json` (no sessions, responses are JSON), `events` (no sessions, streams of events) or `session` (with sessions).
"""

import logging
import socket
import sys
import typing

import uvicorn
from pydantic import BaseModel, Field

form = sys.argv[1]
settings = {"stateless_http": form != "session", "json_response": form == "json"}
try:
    from mcp.server.mcpserver import Context, Image, MCPServer

    server = MCPServer("guests", instructions="A list of guests.")
except ModuleNotFoundError:
    # Version 1 of the package, which speaks the revisions with a handshake only.
    from mcp.server.fastmcp import Context, FastMCP, Image

    server = FastMCP("guests", instructions="A list of guests.", **settings)
    settings = {}


class Guest(BaseModel):
    name: str
    chips: int = 0
    partner: typing.Optional["Guest"] = None


@server.tool()
def add(a: int, b: int = Field(default=3, description="The second number.")) -> int:
    """Adds two numbers."""
    return a + b


@server.tool(name="echo-guest")
def echo_guest(guest: Guest) -> Guest:
    """Returns the guest."""
    return guest


@server.tool()
def names(count: int) -> list[str]:
    return [f"guest {number}" for number in range(count)]


@server.tool()
def greet(name: str) -> str:
    return f"Hello {name}"


@server.tool()
def picture() -> Image:
    return Image(data=b"\x89PNG\r\n\x1a\n", format="png")


@server.tool(structured_output=False)
def untyped(number: int):
    return {"number": number, "items": [1, 2]}


@server.tool()
async def slowly(times: int, context: Context) -> str:
    for time in range(times):
        await context.report_progress(time, times)
    return "done"


@server.tool()
def fail(reason: str) -> str:
    raise ValueError(reason)


def main():
    if form == "stdio":
        server.run("stdio")
        return
    app = server.streamable_http_app(**settings)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    logging.disable()
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])


main()
