"""The published source: it has no quotes of its own, an operator publishes them."""

from server.application.market_ports import MarketStep
from server.application.staging import Stage
from server.domain.values import Micros


class PublishedSource:
    """A source without quotes to play, because quotes arrive by calls."""

    environment = "PUBLISHED"
    fault: str | None = None
    replay_digest = None
    replay = None

    def poll(self, now: Micros) -> list[MarketStep]:
        """Return one step without quotes."""
        return [MarketStep(now, ())]

    def play(self, step: MarketStep, stage: Stage) -> None:
        """Do nothing: no step has quotes."""
        del step, stage

    def is_due(self, now: Micros) -> bool:
        """Return False."""
        del now
        return False

    def due_in(self, now: Micros) -> Micros | None:
        """Return None: there is nothing to wait for."""
        del now
        return None
