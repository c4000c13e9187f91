"""The few JSON calls that a player or an operator makes; a connection each, kept over consecutive calls."""

import http.client
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from loadtest.adapters.base import TokenRefusedError
from reference_impl.domain.errors import ConfigError, OperationalError, RetryableError

REPLY_BYTES_MAX = 1 << 20


class JsonClient:
    """Calls to one HTTP server.

    Parameters
    ----------
    base_url : str
        An ``http://`` address.
    timeout_s : float
        The longest wait for connecting and for each read.
    """

    def __init__(self, base_url: str, timeout_s: float) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ConfigError(f"target address '{base_url}': must be http://host:port")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)

    def get(self, path: str) -> Any:
        """Return the JSON reply to a GET; raises as :meth:`post`."""
        return self._call("GET", path, None, {})

    def post(self, path: str, body: dict[str, Any], token: str = "") -> Any:
        """Post a JSON object and return the JSON reply.

        Raises
        ------
        TokenRefusedError
            On 401 and 403.
        RetryableError
            On 429 and 5xx, and if the server cannot be reached or the connection breaks.
        OperationalError
            On any other refusal.
        """
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self._call("POST", path, msgspec.json.encode(body), headers)

    def _call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        try:
            self._connection.request(method, path, body, headers)
            reply = self._connection.getresponse()
            data = reply.read(REPLY_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise RetryableError(f"{method} {path}: {type(error).__name__}: {error}") from None
        if reply.status in {200, 201}:
            return msgspec.json.decode(data)
        raise _refusal(path, reply.status, data)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refusal(path: str, status: int, data: bytes) -> OperationalError:
    text = f"POST {path}: HTTP {status}: {data[:200].decode(errors='replace')}"
    if status in {401, 403}:
        return TokenRefusedError(text)
    return RetryableError(text) if status == 429 or status >= 500 else OperationalError(text)
