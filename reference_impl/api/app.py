"""The HTTP role: log-in, lobby, placement, seamless wallet, administration under ``/v1``, and the pages."""

import time
from collections.abc import Callable

import msgspec
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.exceptions import ValidationException
from litestar.openapi import OpenAPIConfig
from nats.aio.msg import Msg

from reference_impl.accounts.store import Store
from reference_impl.api import lobby, pages, seamless
from reference_impl.api.account import AccountController
from reference_impl.api.admin import AdminController
from reference_impl.api.control import ControlController
from reference_impl.api.lab import LabController
from reference_impl.api.operator import OperatorController
from reference_impl.api.public import PublicController
from reference_impl.api.seamless_wallet import SeamlessWallet
from reference_impl.api.services import Services
from reference_impl.api.statement import StatementController
from reference_impl.serving import invalid, serve_http

BODY_BYTES_MAX = 512 * 1024
CONTROLLERS = (
    PublicController,
    AccountController,
    StatementController,
    AdminController,
    OperatorController,
    ControlController,
    LabController,
)


class Accounts(msgspec.Struct):
    """Whose bets were settled or voided: what of a :class:`~reference_impl.domain.table_messages.PaidBatch` counts."""

    account: list[int]


class Api:
    """The api role.

    Parameters
    ----------
    store : Store
        The accounts' database.
    services : Services
        What answers for the handlers.
    """

    def __init__(self, store: Store, services: Services) -> None:
        self._store = store
        self._services = services
        config = services.config
        self._wallet = SeamlessWallet(services.bus, services.sessions, config.dsns, config.conventions)
        self._desk = seamless.SeamlessDesk(self._wallet, config.seamless_secrets)

    async def _on_paid(self, msg: Msg) -> None:
        self._services.heard_paid(msgspec.json.decode(msg.data, type=Accounts).account, time.monotonic())

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        known = self._services
        await self._store.open()
        await self._wallet.open()
        await lobby.listen(known.lobby, known.bus)
        await known.bus.subscribe("paid.*", cb=self._on_paid)
        app = Litestar(
            [
                Router("/v1", route_handlers=[*CONTROLLERS, seamless.router()]),
                *pages.handlers(),
            ],
            state=State({"services": known, "seamless": self._desk}),
            exception_handlers={ValidationException: invalid},
            request_max_body_size=BODY_BYTES_MAX,
            openapi_config=OpenAPIConfig("Live tables", "1", path="/v1/schema"),
        )
        try:
            await serve_http(app, known.config.port, ready)
        finally:
            await self._wallet.close()
            await self._store.close()
