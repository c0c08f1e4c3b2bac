"""The server accepts what the OpenAPI document allows: no such call is refused for its form."""

import asyncio
import os
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rest_bridge.openapi import openapi_document
from rest_bridge.routes import PREFIXES, contract_routes
from tests.e2e.conftest import Rest, RestFactory

Case: TypeAlias = schemathesis.Case[Any]

CALLS_OF_AN_OPERATION = int(os.environ.get("SOAK_SCHEMA_CALLS", "25"))

OF_ONE_FIELD = {
    "DECIMAL_INVALID",
    "ENUM_VALUE_UNKNOWN",
    "FIELD_INVALID",
    "FIELD_REQUIRED",
    "MALFORMED_REQUEST",
    "NOT_POSITIVE",
    "UNKNOWN_FIELD",
}
"""Refusals that a schema can predict; others depend on several fields or on stored data."""

DOCUMENT = schemathesis.openapi.from_dict(openapi_document(contract_routes(), PREFIXES))
OPERATIONS = {
    found.ok().label: found.ok() for found in DOCUMENT.get_all_operations() if isinstance(found, Ok)
}
OF_SEVERAL_FIELDS = re.compile(
    r"Send (at most |exactly |only )?one of |`quantity` is required: |Each order of a group "
    r"|`until` must not be before `from`|.*\b[A-Z_]{3,} orders\b"
)
"""Refusals because of what two fields say together.

The document does not say which fields exclude each other, or that one of them is needed: `null`,
which stands for a missing field, counts as sent.
"""

STREAMS = {"GET /order-updates", "GET /quote-updates"}


@pytest.fixture
async def rest(start_rest: RestFactory) -> Rest:
    rest = await start_rest(
        requests_per_minute=0, person_requests_per_minute=0, orders_per_minute=0
    )
    await rest.venue.publish("AAPL", "250", "250.10")
    rest.venue.refresh_leaderboard()
    return rest


async def something_of_each(rest: Rest) -> dict[str, Any]:
    """Return values for fields that name existing objects."""
    order = {"symbol": "AAPL", "side": "BUY", "quantity": 1, "order_type": "LIMIT"}
    placed = await rest.send("POST", "/orders", json={**order, "limit_price": "1"})
    accounts = await rest.http.get("/accounts", headers=rest.bearer())
    return {
        "symbol": "AAPL",
        "symbols": ["AAPL", "btc/usd"],
        "allowed_symbols": ["AAPL"],
        "order_id": placed.json()["id"],
        "account_id": accounts.json()[0]["bot_user_id"],
    }


def calls_of(
    operation: schemathesis.APIOperation[Any, Any, Any, Any], there_is: dict[str, Any]
) -> Callable[[Callable[[Case], None]], Callable[[], None]]:
    """Decorate a function with calls that follow the document, half of them for real objects."""

    def decorate(check: Callable[[Case], None]) -> Callable[[], None]:
        @seed(20260119)
        @settings(
            max_examples=CALLS_OF_AN_OPERATION,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(GenerationMode.POSITIVE), is_known=st.booleans())
        def made(case: Case, is_known: bool) -> None:
            for fields in (case.path_parameters, case.query, case.body):
                if is_known and isinstance(fields, dict):
                    fields.update({name: there_is[name] for name in fields.keys() & there_is})
            case.body = with_whole_numbers(case.body)
            case.query.pop("ticket", None)  # Another kind of credential.
            for name in ("Authorization", "X-Account-Id"):  # These too.
                case.headers.pop(name, None)
            check(case)

        return made

    return decorate


@pytest.mark.parametrize("label", OPERATIONS)
async def test_no_call_that_follows_the_document_is_refused_for_its_form(
    rest: Rest, label: str
) -> None:
    operation = OPERATIONS[label]
    credentials = {
        "BotKey": {"X-Bot-Key": rest.key},
        "UserToken": rest.bearer(),
        "OperatorToken": rest.bearer("operator", operator=True),
    }
    scheme = next(iter(operation.definition.raw["security"][0]))
    session = requests.Session()
    refused: list[str] = []

    @calls_of(operation, await something_of_each(rest))
    def call(case: Case) -> None:
        options = case.as_transport_kwargs(base_url=str(rest.http.base_url))
        options["headers"].update(credentials.get(scheme) or rest.link())
        with session.request(**options, stream=True, timeout=10) as answer:
            if answer.status_code < 400 and label in STREAMS:
                return
            case.validate_response(
                answer,
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )
            if answer.status_code >= 400 and is_foreseeable(answer, label):
                refused.append(f"{answer.json()['message']} {case.query} {case.body!r}")

    with session:
        await asyncio.to_thread(call)
    assert refused == []


def with_whole_numbers(value: Any) -> Any:
    """Write 7.0 as 7: a schema does not distinguish them, but the server accepts only 7."""
    if isinstance(value, dict):
        return {name: with_whole_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_foreseeable(answer: requests.Response, label: str) -> bool:
    """Tell whether the document could have predicted a refusal."""
    error = answer.json()["error"]
    if label == "GET /bars/{symbol}" and [it["field"] for it in error["violations"]] == ["start"]:
        return False  # The number of bars between two moments depends on three fields.
    if OF_SEVERAL_FIELDS.match(error["message"]):
        return False
    return answer.status_code not in (404, 410, 422) or error["reason"] in OF_ONE_FIELD
