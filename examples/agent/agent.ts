// An AI agent that trades through MCP, with any model behind an OpenAI-style endpoint.
//
//   make setup-mcp && npm ci --prefix examples
//   export BOTTRADING_BOT_KEY=tvt_…    # and BOTTRADING_TARGET, unless it is 127.0.0.1:50051
//   export OPENAI_API_KEY=…            # and OPENAI_BASE_URL, for a model of another host or your own
//   export OPENAI_MODEL=…
//   npx --prefix examples tsx examples/agent/agent.ts "Invest a tenth of my money in calm ETFs."

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

type Message =
  | { role: "system" | "user"; content: string }
  | { role: "tool"; content: string; tool_call_id: string }
  | { role: "assistant"; content: string | null; tool_calls?: ToolCall[] };
type ToolCall = { id: string; function: { name: string; arguments: string } };

const TURNS_MAX = 20;
const CALL_MILLISECONDS_MAX = 320_000; // wait_for_order waits for up to 300 s.
const goal =
  process.argv[2] ??
  "Look at my portfolio. If I hold no AAPL, buy 5 shares. Then say what you did and why.";
const env = process.env as Record<string, string>;

const mcp = new Client({ name: "example-agent", version: "1.0.0" });
const command = env.BOTTRADING_COMMAND ?? ".venv/bin/bottrading";
await mcp.connect(new StdioClientTransport({ command, args: ["mcp"], env }));

try {
  console.log(await answer(goal));
} finally {
  await mcp.close();
}

/** Let the model ask for tools until it has an answer. */
async function answer(goal: string): Promise<string> {
  // The tools as the model takes them, and what the server says about their use.
  const tools = (await mcp.listTools()).tools.map((tool) => ({
    type: "function",
    function: { name: tool.name, description: tool.description, parameters: tool.inputSchema },
  }));
  const messages: Message[] = [
    { role: "system", content: mcp.getInstructions() ?? "" },
    { role: "user", content: goal },
  ];
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const reply = await complete({ model: env.OPENAI_MODEL, messages, tools });
    messages.push(reply);
    if (!reply.tool_calls?.length) return reply.content ?? "";
    for (const call of reply.tool_calls) {
      const content = await use(call.function);
      console.log(`${call.function.name} ${call.function.arguments}\n  ${content}`);
      messages.push({ role: "tool", tool_call_id: call.id, content });
    }
  }
  return `No answer after ${TURNS_MAX} turns.`;
}

/** Call a tool; return what the model is to read. */
async function use(call: ToolCall["function"]): Promise<string> {
  let given: unknown;
  try {
    given = JSON.parse(call.arguments || "{}");
  } catch (error) {
    return `Arguments must be a JSON object: ${error}`; // The model reads why.
  }
  if (typeof given !== "object" || Array.isArray(given)) return "Arguments must be a JSON object.";
  const result = await mcp.callTool(
    { name: call.name, arguments: { ...given } },
    undefined,
    { timeout: CALL_MILLISECONDS_MAX },
  );
  const parts = result.content as { type: string; text?: string }[];
  return parts.map((part) => part.text ?? "").join("\n");
}

/** Ask the model. */
async function complete(request: object): Promise<Message & { role: "assistant" }> {
  const base = env.OPENAI_BASE_URL ?? "https://api.openai.com/v1";
  const told = await fetch(`${base.replace(/\/$/, "")}/chat/completions`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Authorization: `Bearer ${env.OPENAI_API_KEY}`,
    },
    body: JSON.stringify(request),
  });
  if (!told.ok) throw new Error(`The model's host says ${told.status}: ${await told.text()}`);
  return (await told.json()).choices[0].message;
}
