"""Locust's users: one person each, of a kind that is a tag.

Locust starts and counts them, shows them and writes its statistics. When a bet is due, what is recorded and when a user
leaves is decided elsewhere; response times count from the intended start.

Every kind is a tag, so ``--tags viewer`` lets only viewers come, and the first word of what they do in Locust's
statistics: ``high-roller bet``, ``viewer part``.
"""

from collections.abc import Callable
from functools import lru_cache

from locust import User, constant, tag
from locust.exception import StopUser

from loadtest.users.crowd import Crowd
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.records import FetchKind, OpKind
from sim.scenario import Kind

_REQUEST_TYPE = {OpKind.BET: "WS", OpKind.LOGIN: "POST", OpKind.CONNECT: "WS"}  # whatever else happens is a GET

CrowdSource = Callable[[], Crowd | None]
"""Returns the crowd of this process, waiting for it if need be; None if it does not come to that."""

_source: list[CrowdSource] = []


def people_from(source: CrowdSource) -> None:
    """Let all users of this process be people of one crowd; to be called once, before any user is started."""
    _source.append(source)


class PersonUser(User):
    """One person, from arrival to leaving. Whom tags leave out does not come."""

    wait_time = constant(0)

    def live(self) -> None:
        """Play one person's whole life."""
        crowd = _source[0]()
        person = crowd.next_person(self._report) if crowd else None
        if crowd is not None and person is not None:
            crowd.playing += 1
            try:
                person.run()
            finally:
                crowd.playing -= 1
        raise StopUser

    def _report(self, user: Kind, kind: OpKind | FetchKind, response_ms: float, problem: str) -> None:
        self.environment.events.request.fire(
            request_type=_request_type(kind),
            name=_name(user, kind),
            response_time=response_ms,
            response_length=0,
            exception=OperationalError(problem) if problem else None,
            context={},
        )


@lru_cache(typed=True)  # numbers of operations and of fetches are equal
def _request_type(kind: OpKind | FetchKind) -> str:
    return _REQUEST_TYPE.get(kind, "GET") if isinstance(kind, OpKind) else "GET"


@lru_cache(typed=True)
def _name(user: Kind, kind: OpKind | FetchKind) -> str:
    return f"{user} {kind.name.lower()}"


def _task_of(kind: Kind) -> Callable[[PersonUser], None]:
    @tag(str(kind))
    def live(user: PersonUser) -> None:
        user.live()

    return live


PersonUser.tasks = [_task_of(kind) for kind in Kind]
