"""An edge by itself: ``python -m reference_impl.stack.edge_alone NAME ORIGIN_HOST ORIGIN_PORT [PORT]``.

For a machine that only serves viewers, and for measuring an edge without the rest. The secret that checks playback
tokens comes from ``LIVETABLE_PLAYBACK_SECRET`` in hexadecimal digits; without it this is a shield, which asks for no
token. Prints its port once it serves, and ends when it is asked to.
"""

import os
import sys

import uvloop

from reference_impl.domain.errors import ConfigError
from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.edge import Edge

SECRET_VARIABLE = "LIVETABLE_PLAYBACK_SECRET"  # noqa: S105 - a name, no secret


def config_of(arguments: list[str], secret: str) -> EdgeConfig:
    """Return what the command line and the environment ask for.

    Raises
    ------
    ConfigError
        If arguments are missing, or something is no number.
    """
    if not 3 <= len(arguments) <= 4:
        raise ConfigError(f"{len(arguments)} arguments; NAME ORIGIN_HOST ORIGIN_PORT [PORT] are needed")
    name, host, *ports = arguments
    try:
        numbers = [int(port) for port in ports]
        return EdgeConfig(name, host, numbers[0], bytes.fromhex(secret), port=numbers[1] if len(numbers) > 1 else 0)
    except ValueError as error:
        raise ConfigError(f"ports {ports}, {SECRET_VARIABLE} of {len(secret)} characters: {error}") from None


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    try:
        edge = Edge(config_of(sys.argv[1:], os.environ.get(SECRET_VARIABLE, "")))
    except ConfigError as error:
        sys.exit(f"edge: {error}")
    uvloop.run(edge.run(lambda: print(edge.port, flush=True)))  # noqa: T201 - whoever starts it reads the port


if __name__ == "__main__":
    main()
