"""Commands about identities, as the job with identity reads them: dmp.commands, or dmp.commands.rejected."""

from __future__ import annotations

from jobs.job import Job
from schemas.topics import COMMANDS, COMMANDS_REJECTED
from udfs.commands import parse_command


def build(job: Job) -> None:
    """Register the views `commands` and `erased`."""
    job.table(COMMANDS)
    job.function("parse_command", parse_command(job.config.cleaning_rules()))
    job.script("commands.sql")


def build_rejects(job: Job) -> None:
    """Register the insert of what is no command, behind `build`; one job does this for all that read commands."""
    job.table(COMMANDS_REJECTED)
    job.script("commands_rejected.sql")
