"""The MCP server of BotTrading: tools with which an AI agent trades on the account of a bot key."""

from bottrading_mcp.server import build_server

__all__ = ["build_server"]
