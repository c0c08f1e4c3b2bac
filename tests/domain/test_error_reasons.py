"""Reasons: same names and order as in the contract, and the first one is reported."""

from bottrading.v1 import error_reason_pb2, quote_pb2
from server.domain.errors import PRECEDENCE, Reason, Violation, refuse_fields
from server.domain.quote import QuoteRefusal


def test_reasons_are_the_contracts_in_names_and_order() -> None:
    values = error_reason_pb2.ErrorReason.DESCRIPTOR.values
    names = [value.name.removeprefix("ERROR_REASON_") for value in values]
    assert names == ["UNSPECIFIED", *(reason.name for reason in Reason)]
    # Later reasons have higher numbers and stand where they belong by precedence.
    assert sorted(value.number for value in values) == list(range(len(names)))
    assert all(reason.name == reason.value for reason in Reason)
    assert [PRECEDENCE[reason] for reason in Reason] == list(range(len(Reason)))


def test_quote_refusals_are_the_contracts() -> None:
    names = [
        name.removeprefix("QUOTE_REFUSAL_REASON_") for name in quote_pb2.QuoteRefusalReason.keys()
    ]
    assert set(names) == {"UNSPECIFIED", *(refusal.name for refusal in QuoteRefusal)}
    assert all(refusal.name == refusal.value for refusal in QuoteRefusal)


def test_of_several_wrong_fields_the_first_by_precedence_is_told_and_all_are_listed() -> None:
    tick = Violation("limit_price", Reason.PRICE_OFF_TICK, "off tick")
    side = Violation("side", Reason.FIELD_REQUIRED, "no side")
    quantity = Violation("quantity", Reason.FIELD_REQUIRED, "no quantity")
    refused = refuse_fields([tick, side, quantity])
    assert (refused.reason, refused.message) == (Reason.FIELD_REQUIRED, "no side")
    assert refused.violations == (side, quantity, tick)
    assert refused.retry_after_seconds is None
