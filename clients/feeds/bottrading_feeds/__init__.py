"""Feeds of BotTrading: real prices, instruments and history from exchanges and brokers."""

from bottrading_feeds.port import (
    Alive,
    Candle,
    Listing,
    Source,
    SourceEnded,
    SourceError,
    Tick,
    Unreadable,
)
from bottrading_feeds.sources import open_source

__all__ = [
    "Alive",
    "Candle",
    "Listing",
    "Source",
    "SourceEnded",
    "SourceError",
    "Tick",
    "Unreadable",
    "open_source",
]
