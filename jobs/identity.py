"""Job `identity`: events of dmp.events.clean and dmp.commands -> which identifiers are one person, dmp.identities."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from dmp.config import IdentitySection
from jobs import commands, merges, upstream, watch
from jobs.job import Job, program
from schemas.topics import IDENTITIES, REFUSED


def build(job: Job) -> None:
    """Register the inserts; the job has views `events` and `commands`."""
    job.table(IDENTITIES, REFUSED)
    stitch(job)
    job.script("identity_results.sql")


def stitch(job: Job) -> None:
    """Register the views `stitched` and `refused_links` alone."""
    job.script("identity.sql", **parameters(job.config.identity))


def build_from_topic(job: Job) -> None:
    """The same on its own, behind a separate job `clean`, with what is told about identity."""
    upstream.events(job)
    commands.build(job)
    commands.build_rejects(job)
    build(job)
    merges.build(job)
    watch.build(job)


def parameters(rules: IdentitySection) -> dict[str, str]:
    """What identity.sql leaves open: the order of types, the limits, and one view for each hop of the rounds."""
    nodes = [f"'{kind[0]}' || {kind}" for kind in rules.order]
    return {
        "strongest_first": ", ".join(nodes),
        "weakest_first": ", ".join(reversed(nodes)),
        "hops": str(rules.hops),
        "last_round": str(rules.hops - 1),
        "user_links": str(rules.user_links),
        "contact_links": str(rules.contact_links),
        "login_rounds": _rounds("identity_login_round.sql", range(2, rules.hops + 1)),
        "soft_rounds": _rounds("identity_soft_round.sql", range(1, rules.hops)),
    }


def _rounds(file_name: str, numbers: range) -> str:
    template = Template(files("jobs").joinpath(file_name).read_text(encoding="utf-8"))
    return "\n".join(template.substitute(round=number, previous=number - 1) for number in numbers)


main = program("identity", build_from_topic)

if __name__ == "__main__":
    main()
