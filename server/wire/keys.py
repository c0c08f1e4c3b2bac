"""Keys and accounts as owners manage them: converts requests to commands, results to answers."""

from collections.abc import Sequence

from bottrading.v1 import (
    bot_key_pb2,
)
from bottrading.v1 import key_management_pb2 as key_management
from server.application.callers import Caller, Session, SignIn
from server.application.commands import (
    CreateBotKey,
    Deposit,
    KeyCreated,
    KeyRevoked,
    OpenAccount,
    RailsSet,
    ResetAccount,
    RevokeBotKey,
    SetGuardRails,
    SetMarginMode,
    SetTradingState,
)
from server.application.ports import OwnedAccount
from server.application.refusals import ACCOUNT_NOT_FOUND, BOT_KEY_NOT_FOUND
from server.domain.account import GuardRails
from server.domain.errors import Reason, Refusal
from server.domain.instrument import AssetType
from server.domain.user import LABEL_LENGTH_MAX, BotKey, Permissions, Scope, is_valid_label
from server.domain.values import SCALE
from server.wire import accounts, answers, enums
from server.wire.bounds import bounds
from server.wire.fields import Fields, is_id
from server.wire.rows import Surroundings

SYMBOLS_MAX = bounds(key_management.CreateBotKeyRequest, "allowed_symbols").items_max

POSITION_SHARE_MAX = bounds(key_management.SetGuardRailsRequest, "position_share_max").maximum

_ASSET_TYPES = enums.members(enums.ASSET_TYPES)

_SCOPES = enums.members(enums.SCOPES)

_TRADING_STATES = enums.members(enums.TRADING_STATES)

_MARGIN_MODES = enums.members(enums.MARGIN_MODES)


def sign_in(_: key_management.SignInRequest, caller: Caller, __: Surroundings) -> SignIn:
    """Return who signs in, as the credential says."""
    assert caller.sign_in is not None, "the call takes a sign-in token"
    return caller.sign_in


def signed_in(session: Session) -> key_management.SignInResponse:
    """Answer SignIn."""
    return key_management.SignInResponse(
        session_token=session.token, expires_at=answers.timestamp(session.expires_at)
    )


def create_bot_key(
    request: key_management.CreateBotKeyRequest, caller: Caller, given: Surroundings
) -> CreateBotKey | Refusal:
    """Read which key to make."""
    fields = Fields()
    permissions = _permissions(fields, request, given)
    if not request.label:
        fields.refuse("label", Reason.FIELD_REQUIRED, "`label` is required.")
    elif not is_valid_label(request.label):
        fields.refuse(
            "label",
            Reason.FIELD_INVALID,
            f"`label` must have 1 to {LABEL_LENGTH_MAX} printable characters.",
        )
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    account_id = request.account_id if request.HasField("account_id") else None
    not_found = _not_found(account_id) if account_id is not None else None
    return not_found or CreateBotKey(caller.user_id, account_id, request.label, permissions)


def revoke_bot_key(
    request: key_management.RevokeBotKeyRequest, caller: Caller, _: Surroundings
) -> RevokeBotKey | Refusal:
    """Read which key to revoke."""
    if not is_id(request.key_id):
        return BOT_KEY_NOT_FOUND
    return RevokeBotKey(caller.user_id, request.key_id)


def open_account(
    _: key_management.OpenAccountRequest, caller: Caller, __: Surroundings
) -> OpenAccount:
    """Read for whom to open an account."""
    return OpenAccount(caller.user_id)


def reset_account(
    request: key_management.ResetAccountRequest, caller: Caller, _: Surroundings
) -> ResetAccount | Refusal:
    """Read which account to reset."""
    return _not_found(request.account_id) or ResetAccount(caller.user_id, request.account_id)


def deposit(
    request: key_management.DepositRequest, _: Caller, __: Surroundings
) -> Deposit | Refusal:
    """Read how much to add to which account."""
    fields = Fields()
    amount = fields.money("amount", request.amount)
    refusal = fields.refusal() or _not_found(request.account_id)
    if refusal is not None:
        return refusal
    assert amount is not None
    return Deposit(request.account_id, amount)


def set_trading_state(
    request: key_management.SetTradingStateRequest, caller: Caller, _: Surroundings
) -> SetTradingState | Refusal:
    """Read the new trading state of an account."""
    fields = Fields()
    state = fields.member("trading_state", request.trading_state, _TRADING_STATES)
    refusal = fields.refusal() or _not_found(request.account_id)
    if refusal is not None:
        return refusal
    assert state is not None
    return SetTradingState(caller.user_id, request.account_id, state)


def set_margin_mode(
    request: key_management.SetMarginModeRequest, caller: Caller, _: Surroundings
) -> SetMarginMode | Refusal:
    """Read the new margin mode of an account."""
    fields = Fields()
    mode = fields.member("margin_mode", request.margin_mode, _MARGIN_MODES)
    refusal = fields.refusal() or _not_found(request.account_id)
    if refusal is not None:
        return refusal
    assert mode is not None
    return SetMarginMode(caller.user_id, request.account_id, mode)


def set_guard_rails(
    request: key_management.SetGuardRailsRequest, caller: Caller, _: Surroundings
) -> SetGuardRails | Refusal:
    """Read the guard rails of an account."""
    fields = Fields()
    values = {
        name: fields.money(name, getattr(request, name))
        for name in ("order_notional_max", "position_share_max", "daily_loss_max")
        if request.HasField(name)
    }
    if (values.get("position_share_max") or 0) > POSITION_SHARE_MAX * SCALE:
        fields.refuse(
            "position_share_max",
            Reason.FIELD_INVALID,
            f"`position_share_max` must be at most {POSITION_SHARE_MAX} %.",
        )
    return (
        fields.refusal()
        or _not_found(request.account_id)
        or SetGuardRails(caller.user_id, request.account_id, GuardRails(**values))
    )


def accounts_listed(found: Sequence[OwnedAccount]) -> key_management.ListAccountsResponse:
    """Answer ListAccounts."""
    return key_management.ListAccountsResponse(accounts=map(accounts.account, found))


def account_opened(result: OwnedAccount) -> key_management.OpenAccountResponse:
    """Answer OpenAccount."""
    return key_management.OpenAccountResponse(account=accounts.account(result))


def account_reset(result: OwnedAccount) -> key_management.ResetAccountResponse:
    """Answer ResetAccount."""
    return key_management.ResetAccountResponse(account=accounts.account(result))


def deposited(result: OwnedAccount) -> key_management.DepositResponse:
    """Answer Deposit."""
    return key_management.DepositResponse(account=accounts.account(result))


def trading_state_set(result: OwnedAccount) -> key_management.SetTradingStateResponse:
    """Answer SetTradingState."""
    return key_management.SetTradingStateResponse(account=accounts.account(result))


def margin_mode_set(result: OwnedAccount) -> key_management.SetMarginModeResponse:
    """Answer SetMarginMode."""
    return key_management.SetMarginModeResponse(account=accounts.account(result))


def guard_rails_set(result: RailsSet) -> key_management.SetGuardRailsResponse:
    """Answer SetGuardRails."""
    return key_management.SetGuardRailsResponse(guard_rails=answers.guard_rails(result.guard_rails))


def bot_key_created(result: KeyCreated) -> key_management.CreateBotKeyResponse:
    """Answer CreateBotKey: the only answer that holds the secret of a key."""
    key = result.key
    return key_management.CreateBotKeyResponse(
        bot_key=bot_key_pb2.NewBotKey(
            id=key.id,
            label=key.label,
            key=result.secret,
            created_at=answers.timestamp(key.created_at),
        )
    )


def bot_key_revoked(result: KeyRevoked) -> key_management.RevokeBotKeyResponse:
    """Answer RevokeBotKey."""
    return key_management.RevokeBotKeyResponse(bot_key=answers.bot_key(result.key))


def bot_keys_listed(found: Sequence[BotKey]) -> key_management.ListBotKeysResponse:
    """Answer ListBotKeys."""
    return key_management.ListBotKeysResponse(bot_keys=map(answers.bot_key, found))


def _not_found(account_id: str) -> Refusal | None:
    """Refuse an id that cannot be an account's, with the text for an unknown account."""
    return None if is_id(account_id) else ACCOUNT_NOT_FOUND


def _permissions(
    fields: Fields, request: key_management.CreateBotKeyRequest, given: Surroundings
) -> Permissions:
    scopes = [fields.member("scopes", number, _SCOPES) for number in request.scopes]
    if len(request.allowed_symbols) > SYMBOLS_MAX:
        fields.refuse(
            "allowed_symbols",
            Reason.FIELD_INVALID,
            f"`allowed_symbols` must have at most {SYMBOLS_MAX} items.",
        )
    symbols = [
        fields.known_symbol("allowed_symbols", symbol, given.instruments)
        for symbol in request.allowed_symbols[:SYMBOLS_MAX]
    ]
    kinds = [
        fields.member("allowed_asset_types", number, _ASSET_TYPES)
        for number in request.allowed_asset_types
    ]
    limit = None
    if request.HasField("order_notional_max"):
        limit = fields.money("order_notional_max", request.order_notional_max)
    # Sorted and without duplicates, so that equal permissions are equal values.
    return Permissions(
        scopes=tuple(scope for scope in Scope if scope in scopes or not scopes),
        symbols=tuple(sorted({symbol for symbol in symbols if symbol is not None})),
        asset_types=tuple(kind for kind in AssetType if kind in kinds),
        order_notional_max=limit,
    )
