"""Bounds: what the contract says that the server takes in the fields of a request."""

import re

from google.protobuf.message import Message

from bottrading.v1 import annotations_pb2 as contract


def bounds(request: type[Message], field: str) -> contract.Bounds:
    """Return the bounds of a field."""
    found: contract.Bounds = (
        request.DESCRIPTOR.fields_by_name[field].GetOptions().Extensions[contract.bounds]
    )
    return found


def pattern(form: "contract.Form.ValueType") -> re.Pattern[str]:
    """Return what the whole of a text of a form matches."""
    options = contract.Form.DESCRIPTOR.values_by_number[form].GetOptions()
    return re.compile(options.Extensions[contract.pattern])
