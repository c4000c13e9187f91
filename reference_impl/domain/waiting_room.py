"""Who is placed when more want to come than can be taken well: those who play first, then those who look, in order.

Placements are given out at a rate. Who comes when there is none left waits: by class first, by when each first asked
next, so that asking more often gains nothing. A place is kept for who asks again within a while, and lost by who does
not. What is waited for is told each time: how many are before, and when to ask again.
"""

from typing import NamedTuple

WAITING_MAX = 100_000
ABSENT_S_MAX = 10.0
"""Who has not asked again for so long has gone."""
ASK_S_MIN = 0.2
ASK_S_MAX = 5.0
PLAYING, LOOKING = 0, 1
"""Classes: who bet lately (and comes back), and everybody else."""


class Waits(NamedTuple):
    """How many are before, and when to ask again, in seconds."""

    before: int
    ask_s: float


class WaitingRoom:
    """Gives out placements at a rate, in a fair order.

    Parameters
    ----------
    per_s : float
        Placements in a second.
    burst : float
        So many may be given out at once after a quiet time.
    """

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._filled_s = 0.0
        self._queues: tuple[dict[int, float], dict[int, float]] = ({}, {})
        """Who waits, in order of first asking, and when each asked last: those who play, those who look."""

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    def ask(self, player: int, kind: int, now_s: float) -> Waits | None:
        """Return None if the player may be placed now, or what there is to wait for.

        Parameters
        ----------
        player : int
            Who asks.
        kind : int
            The player's class.
        now_s : float
            Monotonic seconds.
        """
        self._tokens = min(self._burst, self._tokens + max(0.0, now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
        self._leave_who_went(now_s)
        queue = self._queues[kind]
        self._queues[1 - kind].pop(player, None)
        before = self._before(player, kind)
        if self._tokens >= before + 1:
            queue.pop(player, None)
            self._tokens -= 1
            return None
        if player in queue or len(self) < WAITING_MAX:
            queue[player] = now_s
        return Waits(before, min(ASK_S_MAX, max(ASK_S_MIN, (before + 1 - self._tokens) / self._per_s)))

    def _before(self, player: int, kind: int) -> int:
        ahead = len(self._queues[PLAYING]) if kind == LOOKING else 0
        for other in self._queues[kind]:
            if other == player:
                break
            ahead += 1
        return ahead

    def _leave_who_went(self, now_s: float) -> None:
        """Forget who has gone, as far as they stand at the head: nobody waits for who is not there."""
        for queue in self._queues:
            gone = []
            for player, asked_s in queue.items():
                if asked_s > now_s - ABSENT_S_MAX:
                    break
                gone.append(player)
            for player in gone:
                del queue[player]
