"""An HTTP application on a loopback port, as a role among others: how it is served, and how it says what is wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import ValidationException


def invalid(_request: Request[Any, Any, State], error: ValidationException) -> Response[dict[str, Any]]:
    """Say in one line which value is wrong, and why."""
    told = error.extra if isinstance(error.extra, list) else []
    lines = [f"{one.get('key', one.get('source', 'request'))}: {one['message']}" for one in told]
    content = {"status_code": error.status_code, "detail": "; ".join(lines) or error.detail, "extra": told}
    return Response(content, status_code=error.status_code, media_type=MediaType.JSON)


async def serve_http(app: Litestar, port: int, ready: Callable[[], None]) -> None:
    """Serve until cancelled; call `ready` once the port is open."""
    server = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", port, log_level="warning", access_log=False, lifespan="off")
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        ready()
        await serving
    finally:
        serving.cancel()
