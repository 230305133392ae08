"""Trust AI agents by evaluating them with a human in the loop."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixus.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    # The client brings an HTTP library along, which `mixus --help` and the server do not wait for.
    if name in __all__:
        from mixus import client  # noqa: PLC0415 -- late on purpose: see above

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
