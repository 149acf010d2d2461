"""Persons, the identifiers that they are known by, and what identity decided."""

from __future__ import annotations

from dashboards.model import AtLeast, Dashboard, Group, Groups, Is, Metric, Panel, Source, Terms, Time
from dashboards.sources import PERSONS, PERSONS_NEW, PERSONS_SEEN
from schemas.topics import IDENTITIES, MERGES, REFUSED

IDENTIFIERS = Source(IDENTITIES, time=None)
DECISIONS = Source(MERGES)
LINKS_REFUSED = Source(REFUSED, time=None)

COUNT_PERSONS = Metric("Persons", "count")
COUNT_IDENTIFIERS = Metric("Identifiers", "count")
COUNT_LINKS = Metric("Links", "count")

NUMBERS = (
    Panel("Persons", "number", PERSONS, "All persons known now.", values=(COUNT_PERSONS,)),
    Panel("Identifiers", "number", IDENTIFIERS, "All logins, contacts and devices known now.",
          values=(COUNT_IDENTIFIERS,)),
    Panel("New persons", "number", PERSONS_NEW, "First seen in the time range.", values=(COUNT_PERSONS,)),
    Panel("Refused links", "number", LINKS_REFUSED, "Links that are refused now.", values=(COUNT_LINKS,)),
)  # fmt: skip

CHANGES = (
    Panel(
        "Decisions of identity", "columns", DECISIONS,
        "Identifiers that joined or left a person, and refused links, when it was decided.",
        by=(Time(), Terms("reason", "Decision", 5)), values=(Metric("Decisions", "count"),),
    ),
    Panel(
        "New persons over time", "columns", PERSONS_NEW, "When persons were first seen.",
        by=(Time("First seen"),), values=(COUNT_PERSONS,), leads_to="funnel",
    ),
)  # fmt: skip

SIZES = (
    Panel(
        "Identifiers by type", "bars", IDENTIFIERS, "What persons are known by.",
        by=(Terms("type", "Type", 5),), values=(COUNT_IDENTIFIERS,),
    ),
    Panel(
        "Persons known by", "bars", PERSONS, "Persons with at least one identifier of a kind, or several.",
        by=(
            Groups("Known by", (
                Group("Login", (AtLeast("identifiers.user_id", 1),)),
                Group("E-mail", (AtLeast("identifiers.email", 1),)),
                Group("Phone", (AtLeast("identifiers.phone", 1),)),
                Group("Device", (AtLeast("identifiers.device_id", 1),)),
                Group("Several devices", (AtLeast("identifiers.device_id", 2),)),
                Group("Cookie", (AtLeast("identifiers.anonymous_id", 1),)),
                Group("Several cookies", (AtLeast("identifiers.anonymous_id", 2),)),
            )),
        ),
        values=(COUNT_PERSONS,),
    ),
    Panel(
        "Refused links by reason", "bars", LINKS_REFUSED,
        "claimed: a contact of another login. shared: a device of several logins. limit: too many links.",
        by=(Terms("reason", "Reason", 5),), values=(COUNT_LINKS,), leads_to="quality",
    ),
)  # fmt: skip

LARGEST = (
    Panel(
        "Largest persons", "table", IDENTIFIERS,
        "Hundreds of identifiers are a shared terminal, or an id that should be blocked.",
        by=(Terms("profile_id", "Person", 10),), values=(COUNT_IDENTIFIERS,),
    ),
    Panel(
        "Best customers", "table", PERSONS_SEEN, "Persons with their latest event in the time range, by revenue.",
        by=(Terms("profile_id", "Person", 10),),
        values=(Metric("Revenue", "sum", "revenue", unit="money"), Metric("Orders", "sum", "orders"),
                Metric("Sessions", "sum", "sessions"), Metric("Events", "sum", "events")),
    ),
)  # fmt: skip

CONSENT = (
    Panel(
        "Consent", "bars", PERSONS, "What persons said last; of several answers the most restrictive counts.",
        by=(
            Groups("Answer", (
                Group("Marketing allowed", (Is("consent.marketing", True),)),
                Group("Marketing refused", (Is("consent.marketing", False),)),
                Group("Analytics allowed", (Is("consent.analytics", True),)),
                Group("Analytics refused", (Is("consent.analytics", False),)),
            )),
        ),
        values=(COUNT_PERSONS,),
    ),
    Panel(
        "Channels of persons", "bars", PERSONS_SEEN, "The channel of a person's latest event.",
        by=(Terms("channel", "Channel", 6),), values=(COUNT_PERSONS,), leads_to="traffic",
    ),
)  # fmt: skip

LATEST = (
    Panel(
        "Latest decisions", "documents", DECISIONS, "Which identifier moved from whom to whom, and why.",
        columns=("at", "reason", "identifier", "from", "to", "other"),
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    "people",
    "People and identity",
    "Who is known, by which identifiers, who was merged or parted, and which links were refused.",
    rows=(NUMBERS, CHANGES, SIZES, LARGEST, CONSENT, LATEST),
    range="1h",
)
