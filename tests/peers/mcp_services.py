"""The MCP client `mcp` calls tools of upstream servers for XML-RPC, JSON-RPC, SOAP and REST, of an aggregate and of a wheel."""

import asyncio
import json
import sys

import mcp

base = sys.argv[1]


def text(result):
    """The texts of a result, which has nothing else."""
    assert all(block.type == "text" for block in result.content), result
    return "\n".join(block.text for block in result.content)


def returned(result):
    """What a tool returns: the structured content, of which the text is the JSON, or the text itself."""
    assert not result.is_error, result
    value = result.structured_content
    value = value["result"] if set(value) == {"result"} else value
    assert value == (text(result) if isinstance(value, str) else json.loads(text(result))), result
    return value


class Group:
    """The tools of a group."""

    def __init__(self, path, mode):
        self.client = mcp.Client(f"{base}{path}/mcp", mode=mode, read_timeout_seconds=60)

    async def __aenter__(self):
        await self.client.__aenter__()
        listed = (await self.client.list_tools()).tools
        self.tools = {tool.name: tool for tool in listed}
        assert len(self.tools) == len(listed)
        return self

    async def __aexit__(self, *error):
        await self.client.__aexit__(*error)

    async def call(self, tool, /, **arguments):
        assert tool in self.tools, sorted(self.tools)
        return returned(await self.client.call_tool(tool, arguments))

    async def fails(self, name, arguments, *words):
        """The call fails, and its text has these words."""
        result = await self.client.call_tool(name, arguments)
        assert result.is_error and result.structured_content is None, result
        assert all(word in text(result) for word in words), (words, result)

    async def lacks(self, name):
        """There is no such tool."""
        assert name not in self.tools
        try:
            result = await self.client.call_tool(name, {})
        except mcp.MCPError as error:
            assert error.error.code == -32602, error.error
        else:
            raise AssertionError(f"{name}: {result}")


async def supervisord(mode):
    async with Group("/supervisor", mode) as group:
        assert group.tools["supervisor_getState"].annotations.read_only_hint
        assert not group.tools["supervisor_stopProcess"].annotations.read_only_hint
        assert await group.call("supervisor_getState") == {"statecode": 1, "statename": "RUNNING"}
        assert await group.call("supervisor_startProcess", name="sleeper", wait=True) is True
        await group.fails("supervisor_startProcess", {"name": "sleeper"}, "ALREADY_STARTED: sleeper", "code: 60")
        [process] = await group.call("supervisor_getAllProcessInfo")
        assert process["statename"] == "RUNNING"
        assert await group.call("supervisor_stopProcess", name="sleeper") is True
        await group.fails("supervisor_getProcessInfo", {"name": "nobody"}, "BAD_NAME: nobody", "code: 10")
        await group.fails("supervisor_startProcess", {"nome": "sleeper"}, "nome")
        await group.lacks("supervisor_shutdown")
        await group.lacks("system_multicall")


async def aria2(mode):
    async with Group("/aria2", mode) as group:
        assert (await group.call("aria2_getVersion"))["version"]
        # Nothing is known of the parameters of its methods: they are a list.
        assert await group.call("aria2_tellActive", args=[["gid"]]) == []
        await group.fails("aria2_tellStatus", {"args": ["2089b05ecca3d829"]}, "2089b05ecca3d829")
        await group.lacks("system_multicall")


async def soap(mode):
    async with Group("/guests", mode) as group:
        guest = await group.call("find", name="Polina")
        assert int(guest["chips"]) == 2**70 and guest["seal"] == "AAH/" and guest["bets"] == ["red", "<&>"], guest
        assert [int(number) for number in await group.call("numbers", count=3)] == [0, 1, 2]
        assert await group.call("describe", guest=guest) == f"Polina {2**70} 2026-11-22T01:02:03 0001ff"
        await group.fails("find", {"name": "Nobody"}, "no guest is called <Nobody>")
        await group.fails("numbers", {"count": "three"}, "count")
        await group.fails("fail", {})


async def rest(mode):
    async with Group("/rest", mode) as group:
        guest = await group.call("addGuest", name="Ann", chips=7, born="1998-07-17")
        assert guest["name"] == "Ann" and guest["born"] == "1998-07-17", guest
        number = int(guest["id"])
        assert number > 2**53
        assert (await group.call("readGuest", number=number))["chips"] == 7
        assert any(int(each["id"]) == number for each in await group.call("listGuests", least=7, limit=100))
        assert group.tools["listGuests"].annotations.read_only_hint
        assert not group.tools["addGuest"].annotations.read_only_hint
        await group.fails("readGuest", {"number": 7}, "there is no guest 7", "code: 404")
        await group.fails("readGuest", {}, "number")
        await group.fails("conflict", {}, "the guest sits at two tables", "code: 409")
        assert await group.call("text") == "Grüße, 7 < 8"
        assert not (await group.client.call_tool("removeGuest", {"number": number})).is_error


async def aggregate(mode):
    async with Group("/both", mode) as group:
        [name] = group.tools
        both = await group.call(name)
        assert both["state"] == {"statecode": 1, "statename": "RUNNING"} and len(both["spin"]) == 4, both


async def wheel(mode):
    async with Group("/wheel", mode) as group:
        assert len(await group.call("spinList", spins=17)) == 17
        await group.fails("spinList", {"spins": -1}, "spins")


async def main():
    for mode in ["legacy", "auto"]:
        for calls in [supervisord, aria2, soap, rest, aggregate, wheel]:
            await calls(mode)
            print(calls.__name__, mode)


asyncio.run(main())
