"""All dashboards, in the order of the menu."""

from __future__ import annotations

from dashboards import audiences, funnel, operations, people, quality, traffic
from dashboards.model import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    traffic.DASHBOARD,
    funnel.DASHBOARD,
    people.DASHBOARD,
    audiences.DASHBOARD,
    quality.DASHBOARD,
    operations.DASHBOARD,
)
