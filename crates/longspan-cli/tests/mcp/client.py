#!/usr/bin/env python3
"""Calls the tools of Longspan with the official Python client of MCP: over standard input and output, and over HTTP, in the
newest revision of the protocol and in the older ones with a handshake. The client checks each result against its schema.

    python3 -m venv venv && venv/bin/pip install mcp
    longspan serve --port 8737 &
    venv/bin/python crates/longspan-cli/tests/mcp/client.py longspan http://127.0.0.1:8737
"""

import asyncio
import sys
import tempfile
import urllib.request
from pathlib import Path

from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters

PUMP = "The pump was installed in May 1911 by Ada Brown. It stopped in 1923.\n"
BOOK = PUMP * 12_000
WHO = "Who installed the pump?"


async def calls(client, name):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == ["ask_document", "verify_quotes", "read_document", "list_documents"], tools
    assert all(tool.output_schema["type"] == "object" for tool in tools.values())

    listed = (await client.call_tool("list_documents", {})).structured_content
    assert sorted(one["document"] for one in listed["documents"]) == ["book.txt", "pump.txt"], listed

    told = []
    async def progress(done, total, message):
        told.append((done, total))
    asked = await client.call_tool("ask_document", {"document": "pump.txt", "question": WHO}, progress_callback=progress)
    assert asked.structured_content["answer"] == "Ada Brown" and '"Ada Brown" — pump.txt' in asked.content[0].text, asked
    assert told and told[-1][0] == told[-1][1], told

    none = await client.call_tool("ask_document", {"document": "pump.txt", "question": "Who painted the ceiling of the chapel?"})
    assert none.structured_content["answer"] is None and none.content[0].text.startswith("no answer"), none

    quotes = {"quotes": ["stopped in 1923", "stopped in 1932"], "documents": ["pump.txt"]}
    cited = (await client.call_tool("verify_quotes", quotes)).structured_content["quotations"]
    assert [one["status"] for one in cited] == ["exact", "altered"], cited

    part = (await client.call_tool("read_document", {"document": "book.txt"})).structured_content
    assert part["text"] == BOOK[:20_000] and part["next_start"] == 20_000 and part["characters"] == len(BOOK)

    wrong = await client.call_tool("ask_document", {"document": "../secret.txt", "question": WHO})
    assert wrong.is_error and wrong.content[0].text.startswith("unknown_document: "), wrong
    try:
        await client.call_tool("ask_document", {"document": "pump.txt"})
        raise AssertionError("a call without its question was answered")
    except MCPError as error:
        assert error.error.code == -32602, error

    resources = (await client.list_resources()).resources
    uri = next(resource.uri for resource in resources if resource.name == "pump.txt")
    assert (await client.read_resource(uri)).contents[0].text == PUMP

    began = asyncio.Event()
    async def first(done, total, message):
        began.set()
    book = asyncio.create_task(
        client.call_tool("ask_document", {"document": "book.txt", "question": WHO}, progress_callback=first)
    )
    await began.wait()
    book.cancel()
    await asyncio.gather(book, return_exceptions=True)
    again = await client.call_tool("ask_document", {"document": "pump.txt", "question": WHO})
    assert again.structured_content["answer"] == "Ada Brown"
    print(f"{name}: protocol {client.protocol_version}, {len(told)} notes of progress")


def cancelled(url):
    with urllib.request.urlopen(f"{url}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith('longspan_questions_total{outcome="cancelled"'))


async def main(program, url):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in [("pump.txt", PUMP), ("book.txt", BOOK)]:
            Path(folder, name).write_text(text)
            urllib.request.urlopen(f"{url}/v1/documents?name={name}", data=text.encode()).read()
        stdio = StdioServerParameters(command=program, args=["mcp", "."], cwd=folder)
        for mode in ["auto", "legacy"]:
            async with Client(stdio, mode=mode) as client:
                await calls(client, f"standard input and output, {mode}")
            async with Client(f"{url}/mcp", mode=mode) as client:
                await calls(client, f"HTTP, {mode}")
            if mode == "auto":  # there, a closed stream is the sign that a call is given up
                while cancelled(url) < 1:
                    await asyncio.sleep(0.1)


asyncio.run(main(str(Path(sys.argv[1]).resolve()), sys.argv[2]))
