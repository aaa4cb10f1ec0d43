"""Many open pages in one process: each reads as fast as its stream comes, some not at all; until standard input ends.

python -m tests.load.clients HOST PORT READING SILENT, then lines of JSON: {"open": n, "messages": n, "bytes": n}
"""

import asyncio
import json
import socket
import sys

VIEWS = ("view=markets", "view=alerts", "view=health", "view=allocation", "view=market&market=BR&window=24h")


class Seen:
    """What all clients together received."""

    def __init__(self) -> None:
        self.open = 0
        self.messages = 0
        self.bytes = 0


async def client(host: str, port: int, number: int, seen: Seen, reads: bool) -> None:
    """One client; one that does not read keeps its connection open and lets everything pile up on the other side."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    if not reads:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    view = VIEWS[number % len(VIEWS)] if number % 2 else VIEWS[0]
    try:
        await loop.sock_connect(connection, (host, port))
        request = f"GET /events?{view} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        seen.open += 1
        if not reads:
            await asyncio.sleep(3_600)
        while piece := await loop.sock_recv(connection, 2**18):
            seen.bytes += len(piece)
            seen.messages += piece.count(b"event: view")
        seen.open -= 1
    finally:
        connection.close()


async def main(host: str, port: int, reading: int, silent: int) -> None:
    """Open them all, tell what they see every half second, until standard input ends."""
    seen = Seen()
    tasks = []
    for number in range(reading + silent):
        tasks.append(asyncio.create_task(client(host, port, number, seen, number < reading)))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not ended.done():
        sys.stdout.write(json.dumps(vars(seen)) + "\n")
        sys.stdout.flush()
        await asyncio.wait([ended], timeout=0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(main(given[0], *(int(number) for number in given[1:])))
