"""Bounds: which values the server accepts in a request, as the contract says."""

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
    """Return the pattern that a text of this form must match as a whole."""
    options = contract.Form.DESCRIPTOR.values_by_number[form].GetOptions()
    return re.compile(options.Extensions[contract.pattern])
