"""Delayed margin calls: a metric of the accounts that wait for quotes, which the engine tells."""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry


class DelayedCalls(Collector):
    """The number of accounts, by symbol, whose margin call waits for a fresh quote of it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._accounts: Mapping[str, int] = {}
        registry.register(self)

    def hear(self, accounts: Mapping[str, int]) -> None:
        """Take the place of all earlier numbers."""
        self._accounts = accounts

    def collect(self) -> Iterator[Metric]:
        """Yield the metric, with a line for each symbol."""
        family = GaugeMetricFamily(
            "bottrading_margin_calls_delayed",
            "Margin calls that wait for a fresh quote of a symbol.",
            labels=["symbol"],
        )
        for symbol, count in self._accounts.items():
            family.add_metric([symbol], count)
        yield family
