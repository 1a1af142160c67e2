"""MCP clients for Python, `mcp` and `fastmcp`, with each way to agree on a revision; prints the revisions."""

import asyncio
import sys
import warnings

import anyio
import fastmcp
import mcp

base = sys.argv[1]
COLOURS = {"GREEN", "RED", "BLACK"}


class Mcp:
    """`mcp.Client`."""

    def __init__(self, path, mode):
        self.client = mcp.Client(f"{base}{path}/mcp", mode=mode, read_timeout_seconds=60)

    async def tools(self):
        """The tools of all pages."""
        page = await self.client.list_tools()
        tools = page.tools
        while page.next_cursor is not None:
            page = await self.client.list_tools(cursor=page.next_cursor)
            tools += page.tools
        return tools

    async def call(self, name, arguments=None):
        return await self.client.call_tool(name, arguments)

    async def resources(self):
        return (await self.client.list_resources()).resources

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents

    async def prompts(self):
        return (await self.client.list_prompts()).prompts


class FastMcp:
    """`fastmcp.Client`."""

    def __init__(self, path, mode):
        self.client = fastmcp.Client(f"{base}{path}/mcp", mode=mode, timeout=60)

    async def tools(self):
        return await self.client.list_tools()

    async def call(self, name, arguments=None):
        return await self.client.call_tool_mcp(name, arguments or {})

    async def resources(self):
        return await self.client.list_resources()

    async def read(self, uri):
        return await self.client.read_resource(uri)

    async def prompts(self):
        return await self.client.list_prompts()


def is_pocket(pocket):
    number, colour, parity, half = pocket
    return 0 <= int(number) <= 36 and colour in COLOURS and parity in {"EVEN", "ODD", "ZERO"} and half in {"LOW", "HIGH", "ZERO"}


def text(result):
    """The texts of a result, which has nothing else."""
    assert all(block.type == "text" for block in result.content), result
    return "\n".join(block.text for block in result.content)


async def refused(peer, name, arguments, *words):
    """The result of a call that the tool refuses, with these words."""
    result = await peer.call(name, arguments)
    assert result.is_error and result.structured_content is None, result
    assert all(word in text(result) for word in words), (words, result)


async def calls(peer):
    """Calls of a wheel's tools, with and without arguments, and with wrong ones."""
    tools = {tool.name: tool for tool in await peer.tools()}
    assert {"spin", "spinList", "pockets"} <= set(tools), sorted(tools)
    assert all(tool.description and tool.input_schema["type"] == "object" for tool in tools.values()), tools
    assert tools["spinList"].input_schema["properties"]["spins"]["type"] == "integer", tools["spinList"]
    assert tools["pockets"].annotations.read_only_hint, tools["pockets"]

    one = await peer.call("spin")
    assert not one.is_error and is_pocket(one.structured_content["result"]), one
    assert one.structured_content["result"][1] in text(one), one
    many = await peer.call("spinList", {"spins": 17})
    assert not many.is_error and len(many.structured_content["result"]) == 17, many
    assert all(map(is_pocket, many.structured_content["result"])), many
    around = await peer.call("pockets", {})
    assert len(around.structured_content["result"]) == 37, around

    await refused(peer, "spinList", {"spins": "plenty"}, "spins")
    await refused(peer, "spinList", {"tpyo": 3}, "tpyo")
    await refused(peer, "spinCounts", {}, "spins")
    await refused(peer, "spinList", {"spins": 10_000_001}, "10000000")

    try:
        result = await peer.call("no_such_tool", {})
    except mcp.MCPError as error:
        assert error.error.code == -32602 and "no_such_tool" in error.error.message, error.error
    else:
        raise AssertionError(f"a tool that is not there returned {result}")


async def documents(peer):
    """The documents of a wheel, each of which can be read."""
    texts = {}
    for resource in await peer.resources():
        [content] = await peer.read(resource.uri)
        assert content.mime_type == resource.mime_type, (resource, content)
        texts[resource.name] = content.text
    assert set(texts) == {"doc", "openapi.json", "openrpc.json", "wsdl"}, texts
    assert all("spinList" in text for text in texts.values()), texts


async def prompts(kind, mode):
    """The prompts of a group."""
    peer = kind("/fixtures", mode)
    async with peer.client:
        names = [prompt.name for prompt in await peer.prompts()]
        assert names == ["test_prompt_with_arguments", "test_simple_prompt"], names
        got = await peer.client.get_prompt(names[0], {"arg1": "x", "arg2": "{{arg1}}"})
        [message] = got.messages
        assert message.role == "user" and message.content.text.endswith("arg1='x', arg2='{{arg1}}'"), got


async def hanging(peer):
    """How many calls hang."""
    return (await peer.call("hanging")).structured_content["result"]


async def cancelled(kind, mode):
    """A call that the caller gives up while it runs: it ends, and further calls of the same client work."""
    peer = kind("/waiter", mode)
    async with peer.client:
        before = await hanging(peer)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(peer.call, "hang")
                while await hanging(peer) == before:
                    await anyio.sleep(0.02)
                group.cancel_scope.cancel()
        with anyio.fail_after(30):
            while await hanging(peer) > before:
                await anyio.sleep(0.02)


async def main():
    for kind, mode, revision in [
        (Mcp, "legacy", "2025-11-25"),
        (Mcp, "auto", "2026-07-28"),
        (Mcp, "2026-07-28", "2026-07-28"),
        (FastMcp, "legacy", "2025-11-25"),
        (FastMcp, "auto", "2026-07-28"),
    ]:
        peer = kind("/wheel/european", mode)
        async with peer.client:
            assert peer.client.protocol_version == revision, (kind, mode, peer.client.protocol_version)
            await calls(peer)
            await documents(peer)
            if mode == "legacy":
                assert await (peer.client.ping() if kind is FastMcp else peer.client.send_ping())
        await prompts(kind, mode)
        await cancelled(kind, mode)
        print(kind.__name__, mode, revision)


# `ping` is still there before 2026-07-28, and warns that it is not after it.
warnings.simplefilter("ignore")
asyncio.run(main())
