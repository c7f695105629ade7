"""Whether a run has a trainer that has said nothing yet: its log still tells of the start before that one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from loratui.terminal.numbers import number
from trainer.contract.paths import can_see
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir

START_GRACE = 60.0  # seconds in which a trainer that has logged nothing yet counts as starting


def may_begin(run: RunDir) -> bool:
    """Whether a run without a lock was launched a moment ago, by a trainer that could not say a word yet.

    torch takes seconds to import, and the lock is taken after that; a trainer that held it has made the file of events.
    """
    try:
        log = run.log.stat()
    except OSError:
        return False
    return not log.st_size and time.time() - log.st_mtime < START_GRACE and not can_see(run.events)


def is_silent(run: RunDir, last: Mapping[str, Any] | None) -> bool:
    """Whether a trainer was started after `last`, the newest `run` or `end` event, and none of its own is there.

    A trainer that holds the lock says so itself, and an `end` that is older than the lock is another's. Before the
    lock there is the claim: of a trainer that has ended and is leaving, it is older than what that one said.
    """
    said = number((last or {}).get("t"))
    if (holder := lock_holder(run.lock)) is not None:
        ended = (last or {}).get("type") == "end"
        return holder.silent or (ended and said is not None and holder.since > said)
    launch = lock_holder(run.claim)
    return launch is not None and (not last or (said is not None and launch.since > said))
