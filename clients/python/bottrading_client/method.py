"""How a function that describes a call becomes a client's method with the same signature."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

Parameters = ParamSpec("Parameters")
Described = TypeVar("Described")
Result = TypeVar("Result")


class Method(Generic[Parameters, Result]):
    """A method that takes the arguments of `describe` and passes its call to `perform`."""

    def __init__(
        self,
        describe: Callable[Parameters, Described],
        perform: Callable[[Any, Described], Result],
    ) -> None:
        self._describe: Callable[Parameters, Any] = describe
        self._perform = perform
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: object, owner: type) -> Callable[Parameters, Result]: ...
    def __get__(self, client: object | None, owner: type) -> Self | Callable[Parameters, Result]:
        if client is None:
            return self

        @wraps(self._describe)
        def method(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            return self._perform(client, self._describe(*args, **kwargs))

        return method
