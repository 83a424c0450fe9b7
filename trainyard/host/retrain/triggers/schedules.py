"""When a schedule of cron is due."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim


def next_after(schedule: str, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """The first time after ``moment`` that a schedule means, in UTC; None where there is none.

    A time that the clocks skip comes when they have been put forward, one that they show twice comes once; what is
    every hour or every minute is so on such days, too. That is what Debian's cron does.
    """
    # Where an hour comes twice, cronsim may find its first one from a moment in the second: that was before.
    for found in CronSim(schedule, moment.astimezone(zone)):
        if (due := found.astimezone(UTC)) > moment:
            return due
    return None
