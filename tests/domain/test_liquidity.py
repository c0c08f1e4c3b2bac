"""Liquidity: an account takes from each quote at most what it shows, and only once."""

from tests.domain.scenario import play


def test_what_is_taken_of_a_quote_is_gone_until_the_next() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10 | -
             | a: buy 6 AAPL                  | a ACCEPTED
             |                                | a FILLED 6 at 100
             | b: buy 6 AAPL                  | b ACCEPTED
             |                                | b PARTIALLY_FILLED 4 at 100
             | c: buy 6 AAPL limit 100        | c ACCEPTED
             | d: buy 6 AAPL limit 100 IOC    | d ACCEPTED
             |                                | d CANCELLED IOC_REMAINDER
    10:00:01 | quote AAPL 99 x 300 / 100 x 7  | b FILLED 2 at 100
             |                                | c PARTIALLY_FILLED 5 at 100
             | e: buy 1 AAPL limit 100 IOC    | e ACCEPTED
             |                                | e CANCELLED IOC_REMAINDER
    """)


def test_the_sides_of_a_quote_are_used_up_apart() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 4 / 100 x 10 | -
             | a: buy 10 AAPL               | a ACCEPTED
             |                              | a FILLED 10 at 100
             | b: sell 4 AAPL IOC           | b ACCEPTED
             |                              | b FILLED 4 at 99 pnl -4.00
             | c: sell 4 AAPL IOC           | c ACCEPTED
             |                              | c CANCELLED IOC_REMAINDER
    """)


def test_the_same_quote_sent_again_does_not_refill() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10 number 1 | -
             | a: buy 15 AAPL                          | a ACCEPTED
             |                                         | a PARTIALLY_FILLED 10 at 100
             | quote AAPL 99 x 300 / 100 x 10 number 1 | refused DUPLICATE
             | quote AAPL 99 x 300 / 100 x 3 number 2  | a PARTIALLY_FILLED 3 at 100
             | quote AAPL 99 x 300 / 100 x 10 number 1 | refused OUT_OF_DATE
             | show a filled                           | filled 13
    """)


def test_each_symbol_has_sizes_of_its_own() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10 | -
             | quote SPY 99 x 300 / 100 x 10  | -
             | a: buy 10 AAPL                 | a ACCEPTED
             |                                | a FILLED 10 at 100
             | b: buy 10 SPY                  | b ACCEPTED
             |                                | b FILLED 10 at 100
    """)


def test_displayed_sizes_are_floored_to_the_step() -> None:
    """Currencies trade in whole units; 999.7 on the offer fill 999, the 0.7 nobody can take."""
    play("""
    10:00:00 | quote EUR-USD 1.15 x 999.7 / 1.16 x 999.7  | -
             | a: buy 2000 EUR-USD                        | a ACCEPTED
             |                                            | a PARTIALLY_FILLED 999 at 1.16
             | b: buy 1 EUR-USD IOC                       | b ACCEPTED
             |                                            | b CANCELLED IOC_REMAINDER
             | c: sell 999 EUR-USD limit 1.15             | c ACCEPTED
             |                                            | c FILLED 999 at 1.15 pnl -9.99
    10:00:01 | quote EUR-USD 1.15 x 999.7 / 1.16 x 0.9    | -
             | show a filled                              | filled 999
    10:00:02 | quote EUR-USD 1.15 x 999.7 / 1.16 x 5000.9 | a FILLED 1001 at 1.16
    """)


def test_a_new_quote_is_whole_again_for_an_order_that_arrives() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10 | -
             | a: buy 10 AAPL                 | a ACCEPTED
             |                                | a FILLED 10 at 100
    10:00:01 | quote AAPL 99 x 300 / 100 x 10 | -
             | b: buy 10 AAPL FOK             | b ACCEPTED
             |                                | b FILLED 10 at 100
    """)


def test_where_sizes_do_not_count_one_quote_may_be_taken_any_number_of_times() -> None:
    """What was taken of it has no bound then, and must still fit what is stored."""
    turns = "\n".join(
        f"""
             | b{turn}: buy 9999999999 DUST  | b{turn} ACCEPTED
             |                               | b{turn} FILLED 9999999999 at 0.00000001
             | s{turn}: sell 9999999999 DUST | s{turn} ACCEPTED
             |                               | s{turn} FILLED 9999999999 at 0.00000001 pnl -0.01
        """
        for turn in range(12)
    )
    lines = [line for line in turns.splitlines() if line.strip()]
    quote = "10:00:00 | quote DUST 0.00000001 x 1 / 0.00000001 x 1 | -"
    book = play("\n".join(["given | no sizes | -", quote, *lines]))
    assert book.account.fills == 24
