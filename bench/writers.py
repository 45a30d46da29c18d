"""Sessions of an application that change one row after the other: `python writers.py CONNECTION ROWS`.

They work until standard input ends. Then they write when each of their requests began and ended, as a JSON list.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

from psycopg import AsyncConnection

SESSIONS = 4
_PAUSE = 0.02  # seconds between two requests of a session
_REQUEST = "UPDATE users SET visits = visits + 1 WHERE id = %s"


async def _write(connection: AsyncConnection[Any], rows: int, over: asyncio.Event) -> list[tuple[float, float]]:
    found, chance = [], random.SystemRandom()
    while not over.is_set():
        key, began = chance.randint(1, rows), time.monotonic()
        await connection.execute(_REQUEST, [key])
        found.append((began, time.monotonic()))
        await asyncio.sleep(_PAUSE)
    return found


async def _main(conninfo: str, rows: int) -> None:
    connections = [await AsyncConnection.connect(conninfo, autocommit=True) for _ in range(SESSIONS)]
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    found = await asyncio.gather(*(_write(one, rows, over) for one in connections))
    json.dump(sorted(request for one in found for request in one), sys.stdout)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
