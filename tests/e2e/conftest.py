"""The whole stack in one process: venue, bridge, and an HTTP client for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.rest.support import PREFIX, House
from tests.support.sign_in import link_token
from tests.support.venue import Venue, VenueFactory


@dataclass
class Rest:
    """A venue seen over REST."""

    venue: Venue
    http: httpx.AsyncClient
    key: str = ""

    async def send(self, verb: str, path: str, **options: Any) -> httpx.Response:
        """Make a call with the bot key unless other headers are given."""
        options.setdefault("headers", {"X-Bot-Key": self.key})
        return await self.http.request(verb, path, **options)

    async def get(self, path: str) -> Any:
        """Return the JSON of a successful GET."""
        answer = await self.send("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def bearer(self, subject: str = "ada", **claims: Any) -> dict[str, str]:
        """Return the header of a person's token."""
        return {"Authorization": f"Bearer {self.venue.token(subject, **claims)}"}

    def link(self) -> dict[str, str]:
        """Return the header of a new sign-in link, which works once."""
        return {"Authorization": f"Bearer {link_token(self.venue.settings)}"}


RestFactory = Callable[..., Awaitable[Rest]]


@pytest.fixture
async def start_rest(start_venue: VenueFactory) -> AsyncIterator[RestFactory]:
    """Return how to start venue and bridge, with a key for "ada"."""
    house = House()
    opened: list[tuple[Any, httpx.AsyncClient]] = []

    async def start(**settings: Any) -> Rest:
        venue = await start_venue(**settings)
        bridge = await asyncio.to_thread(house.bridge, target=venue.address)
        http = httpx.AsyncClient(base_url=bridge.url + PREFIX, timeout=20)
        opened.append((bridge, http))
        rest = Rest(venue, http)
        made = await http.post("/keys", headers=rest.bearer(), json={"label": "bot"})
        rest.key = made.json()["key"]
        return rest

    yield start
    for bridge, http in opened:
        await http.aclose()
        await asyncio.to_thread(bridge.close)
    house.close()


@pytest.fixture
async def rest(start_rest: RestFactory) -> Rest:
    """Return a venue over REST, on a published market with exact costs."""
    return await start_rest()
