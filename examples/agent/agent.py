"""An AI agent that trades through MCP, with any model behind an OpenAI-style endpoint.

make setup-mcp
export BOTTRADING_BOT_KEY=tvt_…    # and BOTTRADING_TARGET, unless it is 127.0.0.1:50051
export OPENAI_API_KEY=…            # and OPENAI_BASE_URL, for a model of another host or your own
export OPENAI_MODEL=…
.venv/bin/python examples/agent/agent.py "Invest a tenth of my money in the two calmest ETFs."
"""

import asyncio
import json
import os
import sys

import httpx2  # comes with mcp
from mcp import Client, StdioServerParameters

TURNS_MAX = 20
GOAL = "Look at my portfolio. If I hold no AAPL, buy 5 shares. Then say what you did and why."


async def main(goal: str) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "bottrading_mcp"], env=dict(os.environ)
    )
    model = httpx2.AsyncClient(
        base_url=os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1"),
        headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        timeout=120,
    )
    async with Client(server) as mcp, model:
        # The tools as the model takes them, and what the server says about their use.
        tools = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.input_schema,
                },
            }
            for tool in (await mcp.list_tools()).tools
        ]
        messages = [
            {"role": "system", "content": mcp.instructions},
            {"role": "user", "content": goal},
        ]
        # The model asks for tools until it has an answer.
        for _ in range(TURNS_MAX):
            told = await model.post(
                "chat/completions",
                json={"model": os.environ["OPENAI_MODEL"], "messages": messages, "tools": tools},
            )
            reply = told.raise_for_status().json()["choices"][0]["message"]
            messages.append(reply)
            if not reply.get("tool_calls"):
                print(reply["content"])
                return
            for call in reply["tool_calls"]:
                name, given = call["function"]["name"], call["function"]["arguments"]
                try:
                    result = await mcp.call_tool(name, json.loads(given or "{}"))
                    text = "\n".join(part.text for part in result.content if part.type == "text")
                except ValueError as error:  # The model wrote no JSON: let it read why.
                    text = f"Arguments must be a JSON object: {error}"
                print(f"{name} {given}\n  {text}")
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
    print(f"No answer after {TURNS_MAX} turns.")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else GOAL))
