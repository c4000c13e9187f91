"""Locust's entry for load on a seamless wallet, with the order named by the environment.

One Locust user stands for a provider: it plays all rounds of its part, each in a greenlet of its own. Locust shows what
it is told of; response times count from the intended start.
"""

import gc
import time
from pathlib import Path

import msgspec
from locust import User, constant, task
from locust.exception import StopUser

from loadtest.kit.load_order import load_order
from loadtest.users.provider import Provider
from reference_impl.domain.errors import LabError, OperationalError

POLL_S = 0.02


class ProviderUser(User):
    """A game provider."""

    wait_time = constant(0)

    @task
    def live(self) -> None:
        """Play this part's rounds, write what was seen, and end Locust."""
        order = load_order()
        provider = Provider(order, self._report)
        try:
            provider.enter()
            gc.freeze()
            order.ready_file.touch()
            while not order.start_file.exists():
                time.sleep(POLL_S)
            result = provider.play(int(order.start_file.read_text(encoding="ascii")))
            _write(order.result_file, msgspec.json.encode(result))
        except LabError as error:
            _write(order.failed_file, str(error).encode())
        finally:
            provider.close()
        self.environment.runner.quit()
        raise StopUser

    def _report(self, name: str, response_ms: float, problem: str) -> None:
        self.environment.events.request.fire(
            request_type="POST",
            name=name,
            response_time=response_ms,
            response_length=0,
            exception=OperationalError(problem) if problem else None,
            context={},
        )


def _write(path: Path, data: bytes) -> None:
    """Write a file of which readers see all or nothing."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(data)
    draft.replace(path)
