"""The calls of the API: their paths, and the types of what goes and comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from google.protobuf.message import Message as ProtoMessage

P = ParamSpec("P")
Response = TypeVar("Response", bound=ProtoMessage)


class Call(Generic[P, Response]):
    """One call. Its request is made of the request's fields by their names."""

    def __init__(self, path: str, request: Callable[P, ProtoMessage], response: type[Response]) -> None:
        self.path = f"/ferrymq.v1.{path}"
        self.request = request
        self.response = response
