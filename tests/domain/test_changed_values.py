"""Changed copies equal those of `dataclasses.replace`, and the original stays as it was."""

from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

from server.domain.account import Account, Position
from server.domain.changes import changed, maker
from server.domain.invariants import BrokenInvariant

ACCOUNT = Account(id="a", user_id="u", created_at=1, deposits=10, balance=9, reserved=3)


def test_a_changed_copy_is_what_replace_makes() -> None:
    before = asdict(ACCOUNT)
    copy = changed(ACCOUNT, balance=7, sequence=5)
    assert copy == replace(ACCOUNT, balance=7, sequence=5)
    assert hash(copy) == hash(replace(ACCOUNT, balance=7, sequence=5))
    assert type(copy) is Account
    assert asdict(ACCOUNT) == before
    assert changed(Position(account_id="a", symbol="AAPL")) == Position(
        account_id="a", symbol="AAPL"
    )


def test_a_field_that_does_not_exist_cannot_be_changed() -> None:
    with pytest.raises(BrokenInvariant, match="Account has no"):
        changed(ACCOUNT, balence=7)


def test_a_made_value_is_what_the_constructor_makes() -> None:
    made = maker(Account)(*(getattr(ACCOUNT, it.name) for it in fields(Account)))
    assert made == ACCOUNT
    assert hash(made) == hash(ACCOUNT)
    assert type(made) is Account
    assert asdict(changed(made, balance=7)) == asdict(replace(ACCOUNT, balance=7))
    with pytest.raises(FrozenInstanceError):
        made.balance = 7  # type: ignore[misc]


def test_the_last_fields_of_a_made_value_can_have_their_defaults() -> None:
    assert maker(Position)("a", "AAPL") == Position(account_id="a", symbol="AAPL")
