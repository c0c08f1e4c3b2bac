"""The calls of a person: KeyManagement, each described once for both kinds of clients."""

from collections.abc import Sequence

from bottrading.v1 import key_management_pb2 as keys_pb
from bottrading_client import models
from bottrading_client.call import Call, Repeating, call
from bottrading_client.enums import AssetType, KeyScope, MarginMode, TradingState
from bottrading_client.messages import Amount, number, read, text


def sign_in() -> Call[models.Session]:
    """Begin a session with the token of a sign-in link, which works once; not retried."""
    return call(
        lambda service: service.keys.SignIn,
        keys_pb.SignInRequest(),
        lambda answer: read(models.Session, answer),
        Repeating.CHANGES_AGAIN,
    )


def create_key(
    label: str,
    *,
    account_id: str | None = None,
    scopes: Sequence[KeyScope | str] = (),
    allowed_symbols: Sequence[str] = (),
    allowed_asset_types: Sequence[AssetType | str] = (),
    order_notional_max: Amount | None = None,
) -> Call[models.NewBotKey]:
    """Create a bot key; only this answer holds its secret.

    By default the key is for the first account, all scopes, all instruments and orders of any
    value. Not retried if no answer came, because that would create a second key.
    """
    return call(
        lambda service: service.keys.CreateBotKey,
        keys_pb.CreateBotKeyRequest(
            label=label,
            account_id=account_id,
            scopes=[number(KeyScope, scope) for scope in scopes],
            allowed_symbols=allowed_symbols,
            allowed_asset_types=[number(AssetType, kind) for kind in allowed_asset_types],
            order_notional_max=text(order_notional_max),
        ),
        lambda answer: read(models.NewBotKey, answer.bot_key),
        Repeating.CHANGES_AGAIN,
    )


def keys() -> Call[tuple[models.BotKey, ...]]:
    """List all keys, newest first; revoked ones have `revoked_at`."""
    return call(
        lambda service: service.keys.ListBotKeys,
        keys_pb.ListBotKeysRequest(),
        lambda answer: tuple(read(models.BotKey, key) for key in answer.bot_keys),
    )


def revoke_key(key_id: str) -> Call[models.BotKey]:
    """Revoke a key for good and return it."""
    return call(
        lambda service: service.keys.RevokeBotKey,
        keys_pb.RevokeBotKeyRequest(key_id=key_id),
        lambda answer: read(models.BotKey, answer.bot_key),
        Repeating.CHANGES_NOTHING_MORE,
    )


def open_account() -> Call[models.Account]:
    """Open one more account; not retried if no answer came."""
    return call(
        lambda service: service.keys.OpenAccount,
        keys_pb.OpenAccountRequest(),
        lambda answer: read(models.Account, answer.account),
        Repeating.CHANGES_AGAIN,
    )


def accounts() -> Call[tuple[models.Account, ...]]:
    """List the accounts: the first one, then the others, oldest first."""
    return call(
        lambda service: service.keys.ListAccounts,
        keys_pb.ListAccountsRequest(),
        lambda answer: tuple(read(models.Account, account) for account in answer.accounts),
    )


def reset_account(account_id: str) -> Call[models.Account]:
    """Reset an account; not retried if no answer came."""
    return call(
        lambda service: service.keys.ResetAccount,
        keys_pb.ResetAccountRequest(account_id=account_id),
        lambda answer: read(models.Account, answer.account),
        Repeating.CHANGES_AGAIN,
    )


def set_trading_state(account_id: str, state: TradingState | str) -> Call[models.Account]:
    """Set which orders an account accepts; HALTED also cancels all live ones."""
    return call(
        lambda service: service.keys.SetTradingState,
        keys_pb.SetTradingStateRequest(
            account_id=account_id, trading_state=number(TradingState, state)
        ),
        lambda answer: read(models.Account, answer.account),
        Repeating.CHANGES_NOTHING_MORE,
    )


def set_margin_mode(account_id: str, mode: MarginMode | str) -> Call[models.Account]:
    """Set whether an account may borrow money and sell short; it must have no live orders."""
    return call(
        lambda service: service.keys.SetMarginMode,
        keys_pb.SetMarginModeRequest(account_id=account_id, margin_mode=number(MarginMode, mode)),
        lambda answer: read(models.Account, answer.account),
        Repeating.CHANGES_NOTHING_MORE,
    )


def set_guard_rails(
    account_id: str,
    *,
    order_notional_max: Amount | None = None,
    position_share_max: Amount | None = None,
    daily_loss_max: Amount | None = None,
) -> Call[models.GuardRails]:
    """Set all guard rails of an account; a limit that is left out is removed."""
    return call(
        lambda service: service.keys.SetGuardRails,
        keys_pb.SetGuardRailsRequest(
            account_id=account_id,
            order_notional_max=text(order_notional_max),
            position_share_max=text(position_share_max),
            daily_loss_max=text(daily_loss_max),
        ),
        lambda answer: read(models.GuardRails, answer.guard_rails),
        Repeating.CHANGES_NOTHING_MORE,
    )


def deposit(account_id: str, amount: Amount) -> Call[models.Account]:
    """Add money to an account, with an operator's token.

    Not retried if no answer came, because that would deposit twice.
    """
    return call(
        lambda service: service.keys.Deposit,
        keys_pb.DepositRequest(account_id=account_id, amount=text(amount)),
        lambda answer: read(models.Account, answer.account),
        Repeating.CHANGES_AGAIN,
    )
