"""Run a session; kill this very process (SIGKILL) at the n-th pass of a named point."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from hedgekit.paper import Session, SessionConfig


async def main(configs: str, point: str, count: int) -> tuple[str, ...]:
    """Run, or die on the way."""
    passed = 0

    async def at(name: str) -> None:
        nonlocal passed
        passed += name == point
        if name == point and passed == count:
            await asyncio.sleep(0.3)  # let what was sent reach the venue
            os.kill(os.getpid(), signal.SIGKILL)

    return await Session(*map(SessionConfig.load, configs.split(os.pathsep)), at=at).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
