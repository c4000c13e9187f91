"""Log-in sessions: opened by a password, one a player, ended by logging out, idleness, another log-in or the operator.

A token is a signed JWT (HS256) that names its session; whether it opens anything is decided by the session's row, so
that ending the row revokes the token at once. Sockets follow within a second or two: gateways ask who was sent away.
"""

import secrets

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from reference_impl.accounts.store import DURABLY, Store
from reference_impl.domain.ids import AccountKind, account_id
from reference_impl.domain.money import Currency
from reference_impl.domain.table_messages import EndedSessions

TOKEN_S = 4 * 3600
ISSUER = "livetable"
AUDIENCE = "livetable-api"
SEEN_S = 10
"""A sign of life is written at most so often."""
ENDED_MAX = 40_000

_LOCK = "SELECT 1 FROM accounts.player WHERE id = $1 FOR UPDATE"
_END_FORMER = """
    UPDATE accounts.session SET ended_at = clock_timestamp(), ended_by = $2 WHERE player = $1 AND ended_at IS NULL
"""
_OPEN = "INSERT INTO accounts.session (id, player) VALUES ($1, $2)"
_LIVE = """
    SELECT player, currency, seen_at < clock_timestamp() - make_interval(secs => $2) AS idle,
           seen_at < clock_timestamp() - make_interval(secs => $3) AS stale
    FROM accounts.session s JOIN accounts.player p ON p.id = s.player WHERE s.id = $1 AND ended_at IS NULL
"""
_SEEN = "UPDATE accounts.session SET seen_at = clock_timestamp() WHERE id = $1 AND ended_at IS NULL"
_END_IDLE = """
    UPDATE accounts.session SET ended_at = clock_timestamp(), ended_by = 'idle'
    WHERE ended_at IS NULL AND seen_at < clock_timestamp() - make_interval(secs => $1)
"""
_ENDED = """
    SELECT id, (extract(epoch FROM ended_at) * 1000)::bigint AS ms FROM accounts.session
    WHERE ended_at > to_timestamp($1::double precision / 1000) ORDER BY ended_at LIMIT $2
"""


class Sessions:
    """The sessions that are open.

    Parameters
    ----------
    store : Store
        Where they are kept.
    secret : bytes
        Signs tokens.
    idle_s : float
        A player who gave no sign of life for so long logs in again (GLI-19 v3.0, 2.5.4: 30 minutes).
    """

    def __init__(self, store: Store, secret: bytes, idle_s: float) -> None:
        self._store = store
        self._key = OctKey.import_key(secret)
        self._idle_s = idle_s

    async def open(self, player: int, now_unix_s: int) -> str:
        """Open a session, ending the player's former one; return its token."""
        session = secrets.token_hex(8)
        async with self._store.pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, player)
            await connection.execute(_END_FORMER, player, "another log-in")
            await connection.execute(_OPEN, session, player)
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": str(player), "sid": session, "iat": now_unix_s,
            "exp": now_unix_s + TOKEN_S,
        }  # fmt: skip
        return jwt.encode({"alg": "HS256"}, claims, self._key)

    async def of(self, token: str, now_unix_s: int) -> tuple[int, str] | None:
        """Return the account and the session of a token, or None if it is false, expired, revoked or idle for too long.

        The account tells the player's currency; in euro the two are one number. Asking is a sign of life.
        """
        claims = self._claims(token, now_unix_s)
        if claims is None:
            return None
        session = str(claims["sid"])
        row = await self._store.pool.fetchrow(_LIVE, session, self._idle_s, min(SEEN_S, self._idle_s / 10))
        if row is None or row["idle"] or str(row["player"]) != claims["sub"]:
            return None
        if row["stale"]:
            await self._store.pool.execute(_SEEN, session)
        return account_id(AccountKind.PLAYER, row["player"], Currency(row["currency"])), session

    async def end(self, player: int, why: str) -> bool:
        """End a player's session; False if there was none."""
        async with self._store.pool.acquire() as connection, connection.transaction():
            await connection.execute(DURABLY)
            return await connection.execute(_END_FORMER, player, why) != "UPDATE 0"

    async def end_idle(self) -> None:
        """End the sessions that gave no sign of life for too long."""
        await self._store.pool.execute(_END_IDLE, self._idle_s)

    async def ended_since(self, unix_ms: int) -> EndedSessions:
        """Return the sessions that ended after an instant, oldest first, at most :data:`ENDED_MAX`."""
        rows = await self._store.pool.fetch(_ENDED, unix_ms, ENDED_MAX)
        return EndedSessions([row["id"] for row in rows], rows[-1]["ms"] if rows else unix_ms)

    def _claims(self, token: str, now_unix_s: int) -> dict[str, object] | None:
        try:
            claims: dict[str, object] = jwt.decode(token, self._key, algorithms=["HS256"]).claims
        except (JoseError, ValueError):
            return None
        expires = claims.get("exp")
        genuine = claims.get("iss") == ISSUER and claims.get("aud") == AUDIENCE and "sid" in claims
        return claims if genuine and isinstance(expires, int) and expires > now_unix_s else None
