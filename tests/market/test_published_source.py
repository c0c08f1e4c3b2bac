"""The published source waits for an operator."""

from server.market.published import PublishedSource


def test_a_published_market_has_no_quotes_of_its_own() -> None:
    source = PublishedSource()
    assert source.environment == "PUBLISHED"
    assert source.poll(1_800_000_000_000_000) == []
    assert source.next_due(1_800_000_000_000_000) is None
