"""The published source waits for calls."""

from server.application.staging import Stage
from server.market.published import PublishedSource

NOW = 1_800_000_000_000_000


def test_a_published_market_never_has_quotes_of_its_own() -> None:
    source = PublishedSource()
    (step,) = source.poll(NOW)
    assert (step.time, list(step.quotes)) == (NOW, [])
    with Stage() as stage:
        source.play(step, stage)
        stage.publish()
    assert not source.is_due(NOW)
    assert source.due_in(NOW) is None
