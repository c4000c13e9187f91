"""The peer of ``bench betpath``: what a competent team writes first. FastAPI, pydantic, asyncpg, a transaction a bet.

``uvicorn loadtest.bench.usual_stack:app`` speaks the players' protocol as far as bets go. A bet is a row with a primary
key of its own; its transaction locks the account's row, inserts the bet and takes the stake off the balance. A
repeated id gets its first answer. There is no event stream, no audit trail, no cut-off, no settlement and no limit of
a player here: whatever our own way of a bet does besides, the peer does not pay for.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import asyncpg
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reference_impl.domain.bets import Status

DSN_VARIABLE = "USUAL_STACK_DSN"
ONE_STATEMENT_VARIABLE = "USUAL_STACK_ONE_STATEMENT"
POOL = 10
TABLE, ROUND, SELECTIONS = 1, 1, 37
STAKE_MINOR_MIN, STAKE_MINOR_MAX = 10, 1_000_000

SCHEMA = """
    CREATE TABLE account (
        id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0), version bigint NOT NULL DEFAULT 0
    );
    CREATE TABLE bet (
        id uuid PRIMARY KEY, account_id bigint NOT NULL REFERENCES account, table_no integer NOT NULL,
        round bigint NOT NULL, selection integer NOT NULL, amount bigint NOT NULL, balance_after bigint NOT NULL,
        version bigint NOT NULL, seq bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX bet_of_account ON bet (account_id, round);
"""

_LOCK = "SELECT balance, version FROM account WHERE id = $1 FOR UPDATE"
_INSERT = """
    INSERT INTO bet (id, account_id, table_no, round, selection, amount, balance_after, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING seq
"""
_DEBIT = "UPDATE account SET balance = balance - $2, version = version + 1 WHERE id = $1"
_KNOWN = "SELECT balance_after, version, seq FROM bet WHERE id = $1 AND account_id = $2"
_ONE_STATEMENT = """
    WITH debit AS (
        UPDATE account SET balance = balance - $6, version = version + 1
        WHERE id = $2 AND balance >= $6 RETURNING balance, version)
    INSERT INTO bet (id, account_id, table_no, round, selection, amount, balance_after, version)
    SELECT $1, $2, $3, $4, $5, $6, balance, version FROM debit RETURNING balance_after, version, seq
"""


class Bet(BaseModel):
    """A bet as it arrives."""

    model_config = ConfigDict(extra="forbid")

    t: Literal["bet"]
    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    table: int
    round: int
    window: Annotated[int, Field(ge=0, le=100)]
    selection: Annotated[int, Field(ge=0, lt=SELECTIONS)]
    amount_minor: Annotated[int, Field(ge=STAKE_MINOR_MIN, le=STAKE_MINOR_MAX)]


class Answer(BaseModel):
    """The answer to it."""

    t: Literal["answer"] = "answer"
    id: str
    status: int
    balance_minor: int = 0
    version: int = 0
    shard: int = 0
    seq: int = 0


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ[DSN_VARIABLE], min_size=POOL, max_size=POOL) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_lifespan)


async def place(pool: "asyncpg.Pool[asyncpg.Record]", account: int, bet: Bet) -> Answer:
    """Place a bet in a transaction of its own."""
    async with pool.acquire() as connection:
        try:
            async with connection.transaction():
                row = await connection.fetchrow(_LOCK, account)
                if row is None:
                    return Answer(id=bet.id, status=Status.UNKNOWN_PLAYER)
                balance, version = row["balance"] - bet.amount_minor, row["version"] + 1
                if balance < 0:
                    return Answer(id=bet.id, status=Status.INSUFFICIENT_FUNDS, balance_minor=row["balance"])
                seq = await connection.fetchval(
                    _INSERT, bet.id, account, bet.table, bet.round, bet.selection, bet.amount_minor, balance, version
                )
                await connection.execute(_DEBIT, account, bet.amount_minor)
        except asyncpg.UniqueViolationError:
            return _answer(bet, await connection.fetchrow(_KNOWN, bet.id, account), Status.CONFLICT)
        return Answer(id=bet.id, status=Status.ACCEPTED, balance_minor=balance, version=version, seq=seq)


async def place_in_one_statement(pool: "asyncpg.Pool[asyncpg.Record]", account: int, bet: Bet) -> Answer:
    """Place a bet in one statement that commits itself: what the team writes when the first version is too slow."""
    try:
        row = await pool.fetchrow(
            _ONE_STATEMENT, bet.id, account, bet.table, bet.round, bet.selection, bet.amount_minor
        )
    except asyncpg.UniqueViolationError:
        return _answer(bet, await pool.fetchrow(_KNOWN, bet.id, account), Status.CONFLICT)
    return _answer(bet, row, Status.INSUFFICIENT_FUNDS)


def _answer(bet: Bet, row: asyncpg.Record | None, otherwise: Status) -> Answer:
    if row is None:
        return Answer(id=bet.id, status=otherwise)
    balance, version, seq = row
    return Answer(id=bet.id, status=Status.ACCEPTED, balance_minor=balance, version=version, seq=seq)


_place = place_in_one_statement if os.environ.get(ONE_STATEMENT_VARIABLE) else place


@app.websocket("/")
async def play(socket: WebSocket, player: int) -> None:
    """Serve a player: a bet, its answer, the next bet."""
    await socket.accept()
    try:
        while True:
            try:
                bet = Bet.model_validate_json(await socket.receive_text())
            except ValidationError:
                await socket.close(4400)
                return
            if (bet.table, bet.round) != (TABLE, ROUND):
                answer = Answer(id=bet.id, status=Status.UNKNOWN_ROUND)
            else:
                answer = await _place(app.state.pool, player, bet)
            await socket.send_text(answer.model_dump_json())
    except WebSocketDisconnect:
        return
