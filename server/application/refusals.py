"""Refusals that several use cases share, so that their texts are the same everywhere."""

from server.domain.errors import Reason, Refusal

ORDER_NOT_FOUND = Refusal(reason=Reason.ORDER_NOT_FOUND, message="There is no such order.")
ACCOUNT_NOT_FOUND = Refusal(reason=Reason.ACCOUNT_NOT_FOUND, message="There is no such account.")
BOT_KEY_NOT_FOUND = Refusal(reason=Reason.BOT_KEY_NOT_FOUND, message="There is no such bot key.")
ACCOUNT_ID_REQUIRED = Refusal(
    reason=Reason.ACCOUNT_ID_REQUIRED,
    message="This call changes an account: name one of yours in x-account-id."
    " ListAccounts lists them.",
)
KEY_REFUSED = Refusal(
    reason=Reason.BOT_KEY_INVALID,
    message="The bot key is missing, malformed, unknown or revoked.",
)
"""The answer does not say which of these applies, so that nobody can probe for keys."""
SIGN_IN_USED = Refusal(
    reason=Reason.TOKEN_INVALID,
    message="The token of the link was used already: `bottrading open` prints a new link.",
)
MALFORMED = Refusal(
    reason=Reason.MALFORMED_REQUEST,
    message="The request cannot be read as the request message of this call.",
)
