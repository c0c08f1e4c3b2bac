"""The published source: it has no quotes of its own, an operator publishes them."""

from server.domain.quote import Quote
from server.domain.values import Micros


class PublishedSource:
    """A source that never has anything: quotes arrive by calls."""

    environment = "PUBLISHED"

    def poll(self, now: Micros) -> list[Quote]:
        """Return no quotes."""
        del now
        return []

    def next_due(self, now: Micros) -> Micros | None:
        """Return None: there is nothing to wait for."""
        del now
        return None
