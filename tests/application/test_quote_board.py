"""The quote board: which quotes can be traded on."""

from dataclasses import replace

from server.application.market_feed import QuoteBoard
from server.application.staging import Stage
from server.domain.values import SECOND
from tests.domain.book import make_quote

NOW = 1_000 * SECOND
LIMIT = 15 * SECOND
FIVE_SECONDS = 5 * SECOND
QUOTE = make_quote("AAPL", "99", "1", "100", "1", last="99.50", time=NOW, sequence=7)


def test_a_quote_is_fresh_up_to_the_limit_of_its_age() -> None:
    board = QuoteBoard(LIMIT)
    board.put(QUOTE, Stage())

    assert board.is_fresh(QUOTE, NOW + LIMIT)
    assert not board.is_fresh(QUOTE, NOW + LIMIT + 1)
    assert board.is_fresh(QUOTE, NOW - FIVE_SECONDS)
    assert not board.is_fresh(QUOTE, NOW - FIVE_SECONDS - 1)


def test_a_loaded_quote_is_stale_until_its_source_sends_it_again() -> None:
    board, stage = QuoteBoard(LIMIT), Stage()
    board.load([QUOTE], stage)
    assert board.fresh("AAPL", NOW) is None

    again = replace(QUOTE)
    assert board.refusal(again, NOW) is None
    board.put(again, stage)
    assert board.fresh("AAPL", NOW) is again
    assert not board.is_fresh(QUOTE, NOW)
