"""The pages: one document, and the files that it asks for. Built from nothing; served as they are written."""

from typing import Any

from litestar import MediaType, Response, get
from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router

from reference_impl.web import FOLDER

POLICY = (
    "default-src 'self'; connect-src 'self' http: ws:; media-src 'self' blob:; worker-src 'self' blob:; "
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Scripts and styles come from here alone; edges and gateways are other ports, hence ``connect-src``."""

HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def _page(name: str) -> Response[str]:
    return Response((FOLDER / name).read_text(), media_type=MediaType.HTML, headers=HEADERS)


@get("/", sync_to_thread=False, include_in_schema=False)
def index() -> Response[str]:
    """Return the table page."""
    return _page("index.html")


@get("/operator", sync_to_thread=False, include_in_schema=False)
def operator() -> Response[str]:
    """Return the operator's page."""
    return _page("operator.html")


@get("/control", sync_to_thread=False, include_in_schema=False)
def control() -> Response[str]:
    """Return the control room."""
    return _page("control.html")


@get("/probe", sync_to_thread=False, include_in_schema=False)
def probe() -> Response[str]:
    """Return the page that measures pictures."""
    return _page("probe.html")


def handlers() -> list[Any]:
    """Return what serves the pages."""
    files = create_static_files_router(
        path="/static",
        directories=[FOLDER],
        cache_control=CacheControlHeader(no_cache=True),
        include_in_schema=False,
    )
    return [index, operator, control, probe, files]
