"""The contract and what is derived from it agree."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import google.api
from google.api import annotations_pb2
from grpc import StatusCode

from bottrading.v1 import (
    annotations_pb2 as contract,
)
from bottrading.v1 import (
    bot_trading_pb2,
    error_reason_pb2,
    key_management_pb2,
    market_data_pb2,
)
from server.calls.table import ROWS, SERVICES
from server.domain.errors import Reason
from server.domain.user import LABEL
from server.domain.values import SYMBOL
from server.rpc.errors import OUTCOMES, STATUS_OF
from server.wire.contract import methods
from server.wire.rows import Decided, Queried, Streamed

ROOT = Path(__file__).parents[2]
PROTOS = sorted((ROOT / "proto/bottrading/v1").glob("*.proto"))
FILES = (bot_trading_pb2, key_management_pb2, market_data_pb2)
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def test_the_contract_says_of_every_method_who_may_call_it_and_what_it_costs() -> None:
    assert {method.path for method in methods()} == METHODS.keys()
    assert [method.path for method in methods() if not method.is_open] == []


def test_only_what_takes_a_bot_key_asks_for_a_scope() -> None:
    for method in methods():
        assert method.credential is not None
        assert method.says_scope is method.credential.is_of_a_bot, method.path


def test_every_method_has_a_row_and_no_row_is_left_over() -> None:
    assert ROWS.keys() == METHODS.keys()
    rows = {
        f"/bottrading.v1.{service}/{name}"
        for service, module in SERVICES.items()
        for name, value in vars(module).items()
        if isinstance(value, Decided | Queried | Streamed)
    }
    assert rows == METHODS.keys()


def test_calls_of_the_engine_have_names_of_their_own() -> None:
    names = [method.name for method in methods()]
    assert len(set(names)) == len(names), "frames name calls without their service"


def test_every_method_has_an_http_rule() -> None:
    for path, method in METHODS.items():
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        assert rule.WhichOneof("pattern"), path


def test_the_domain_whose_words_go_over_every_protocol_names_no_call() -> None:
    names = re.compile(rf"\b({'|'.join(method.name for method in METHODS.values())})\b")
    for path in (ROOT / "server/domain").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not names.search(node.value), f"{path.name}:{node.lineno}"


def test_reasons_are_those_of_the_contract_in_its_order() -> None:
    names = [name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()]
    assert names == ["UNSPECIFIED", *(reason.value for reason in Reason)]


def test_every_reason_is_a_status_or_the_outcome_of_an_order() -> None:
    assert STATUS_OF.keys() == set(Reason)
    assert {STATUS_OF[reason] for reason in OUTCOMES} == {StatusCode.FAILED_PRECONDITION}


def test_every_reason_tells_an_example_and_its_status() -> None:
    text = (ROOT / "proto/bottrading/v1/error_reason.proto").read_text()
    comments = dict(re.findall(r"((?:  //.*\n)+)  ERROR_REASON_(\w+) =", text))
    comment_of = {name: comment for comment, name in comments.items()}
    for reason in Reason:
        comment = comment_of[reason.value]
        assert "Example: " in comment, reason
        code = STATUS_OF[reason]
        over_rest_only = "REST only" in comment
        if reason not in OUTCOMES and not over_rest_only:
            assert code.name in comment, f"{reason}: the status is {code.name}"
    assert StatusCode.UNKNOWN not in STATUS_OF.values()


def test_the_copies_of_what_google_publishes_are_those_of_its_package() -> None:
    published = Path(next(iter(google.api.__path__))).parent
    for copy in (ROOT / "proto/google").glob("*/*.proto"):
        assert copy.read_text() == (published / copy.parent.name / copy.name).read_text(), copy


def test_the_contract_compiles_from_the_folder_alone() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("buf"), "build", "proto"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr


def test_generated_code_is_what_the_protos_give(tmp_path: Path) -> None:
    services = [str(path.relative_to(ROOT)) for path in PROTOS if "\nservice " in path.read_text()]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto"]
    plugins = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    for outputs, files in (
        (["python", "mypy"], [str(path.relative_to(ROOT)) for path in PROTOS]),
        (["grpc_python", "mypy_grpc"], services),
    ):
        targets = [
            f"--{output}_out={'quiet:' if 'mypy' in output else ''}{tmp_path}" for output in outputs
        ]
        subprocess.run([*protoc, *targets, *files], check=True, cwd=ROOT, env=plugins)

    fresh = {path.name: path.read_text() for path in (tmp_path / "bottrading/v1").iterdir()}
    kept = {
        path.name: path.read_text()
        for path in (ROOT / "generated/bottrading/v1").iterdir()
        if path.is_file()
    }
    assert fresh.keys() == kept.keys(), "run `make proto`"
    for name, text in fresh.items():
        assert kept[name] == text, f"{name}: run `make proto`"


def test_forms_of_the_contract_are_those_that_are_checked() -> None:
    patterns = {
        value.name: value.GetOptions().Extensions[contract.pattern]
        for value in contract.Form.DESCRIPTOR.values[1:]
    }

    assert patterns["FORM_SYMBOL"] == SYMBOL.pattern
    assert patterns["FORM_LABEL"] == LABEL.pattern


def test_what_is_bounded_alike_is_bounded_the_same_everywhere() -> None:
    bounds: dict[str, set[str]] = {}
    for method in METHODS.values():
        for field in method.input_type.fields:
            if field.name in ("limit", "page_token", "symbol", "allowed_symbols"):
                said = field.GetOptions().Extensions[contract.bounds]
                bounds.setdefault(field.name, set()).add(str(said))

    assert {name: len(said) for name, said in bounds.items()} == dict.fromkeys(bounds, 1)
