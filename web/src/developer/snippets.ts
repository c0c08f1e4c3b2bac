// Snippets that use a new key, ready to paste, with the key and this service's address.

export type SnippetId = "curl" | "python" | "mcp";

export const SNIPPETS: readonly { value: SnippetId; title: string }[] = [
  { value: "curl", title: "curl" },
  { value: "python", title: "Python" },
  { value: "mcp", title: "MCP" },
];

interface Snippet {
  code: string;
  remark: string;
}

const GRPC_PORT_DEFAULT = 50051;

/** Return a snippet. Its gRPC address is this host with the default port. */
export function snippetOf(id: SnippetId, key: string): Snippet {
  const target = `${location.hostname}:${GRPC_PORT_DEFAULT}`;
  switch (id) {
    case "curl":
      return {
        code: `curl ${location.origin}/api/trade/v1/bot/orders \\
  -H "X-Bot-Key: ${key}" \\
  -d '{"symbol": "AAPL", "side": "BUY", "quantity": 1}'`,
        remark: "Buys one share over REST.",
      };
    case "python":
      return {
        code: `from bottrading_client import BotTradingClient

bot_key = "${key}"
with BotTradingClient(bot_key, "${target}") as client:
    order = client.place_order("AAPL", "BUY", 1)
    print(order.status, order.filled_price)`,
        remark: "Buys one share over gRPC, with the client that is installed in `.venv`.",
      };
    case "mcp":
      return {
        code: JSON.stringify(
          {
            mcpServers: {
              bottrading: {
                command: "bottrading-mcp",
                env: { BOTTRADING_TARGET: target, BOTTRADING_BOT_KEY: key },
              },
            },
          },
          null,
          2,
        ),
        remark:
          "For the configuration of an AI client. In a clone, `.venv/bin/bottrading mcp --print-config` prints it with the command's full path.",
      };
  }
}
