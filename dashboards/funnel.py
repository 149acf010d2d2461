"""From the first look to the order, and who comes back."""

from __future__ import annotations

from dashboards.model import AtLeast, Dashboard, Dates, Group, Groups, IsNot, Metric, Panel, Ratio, Terms, Time
from dashboards.sources import (
    ADDED,
    CAMPAIGN,
    CHANNEL,
    CHECKOUT,
    EVENTS,
    IN_CAMPAIGN,
    ONLINE,
    ORDERED,
    ORDERS,
    PERSONS_NEW,
    PERSONS_SEEN,
    REVENUE,
    VIEWED,
    WINDOWS,
)

VIEWS = Metric("Views", "sum", "events", only=(VIEWED,))
ADDITIONS = Metric("Added", "sum", "events", only=(ADDED,))
CHECKOUTS = Metric("Checkouts", "sum", "events", only=(CHECKOUT,))
CONVERSION = Ratio("Orders of views", ORDERS, VIEWS)

PERSONS = Metric("Persons", "count")
BUYERS = Metric("Buyers", "count", only=(AtLeast("orders", 1),))
RETURNED = Metric("Came back", "count", only=(AtLeast("sessions", 2),))

STEPS = (
    Panel(
        "Steps of the shop", "bars", WINDOWS, "How often each step to an order was taken, on the web and in the app.",
        by=(
            Groups("Step", (
                Group("Product viewed", (VIEWED,)),
                Group("Added to cart", (ADDED,)),
                Group("Checkout started", (CHECKOUT,)),
                Group("Order completed", (ORDERED,)),
            )),
        ),
        values=(EVENTS,), filters=(ONLINE,),
    ),
    Panel(
        "Steps of persons", "bars", PERSONS_SEEN,
        "How far the persons with their latest event in the time range have come, ever.",
        by=(
            Groups("Step", (
                Group("Seen"),
                Group("Known by login", (AtLeast("identifiers.user_id", 1),)),
                Group("Ordered", (AtLeast("orders", 1),)),
                Group("Ordered again", (AtLeast("orders", 2),)),
            )),
        ),
        values=(PERSONS,), leads_to="people",
    ),
)  # fmt: skip

CONVERSIONS = (
    Panel(
        "Conversion over time", "line", WINDOWS, "Additions to the cart and orders for each product viewed, online.",
        by=(Time(),), values=(Ratio("Added of views", ADDITIONS, VIEWS), CONVERSION), filters=(ONLINE,),
    ),
    Panel(
        "Conversion by channel", "table", WINDOWS, "The steps of the web and the app; other channels have orders only.",
        by=(Terms("channel", "Channel", 6),), values=(VIEWS, ADDITIONS, CHECKOUTS, ORDERS, CONVERSION),
        filters=(ONLINE,),
    ),
)  # fmt: skip

CAMPAIGNS = (
    Panel(
        "Conversion by campaign", "table", WINDOWS, "The steps of each campaign.",
        by=(Terms("campaign", "Campaign", 10),), values=(VIEWS, ORDERS, REVENUE, CONVERSION), filters=(IN_CAMPAIGN,),
    ),
    Panel(
        "First touch", "table", PERSONS_SEEN, "What the persons that a campaign brought in have done since.",
        by=(Terms("first_touch.campaign", "First campaign", 10),),
        values=(PERSONS, BUYERS, REVENUE, Ratio("Buyers of persons", BUYERS, PERSONS)),
        filters=(IsNot("first_touch.campaign", ""),),
    ),
)  # fmt: skip

RETENTION = (
    Panel(
        "Who came back", "line", PERSONS_NEW,
        "Persons by when they were first seen, and those of them with a second session.",
        by=(Time("First seen"),), values=(PERSONS, RETURNED), leads_to="people",
    ),
    Panel(
        "First and last seen", "heatmap", PERSONS_NEW, "When those who came at one time were seen last.",
        by=(Time("First seen"), Dates("last_seen", "Last seen")), values=(PERSONS,),
    ),
    Panel(
        "Sessions of a person", "bars", PERSONS_SEEN, "How many persons have at least so many sessions.",
        by=(Groups("Sessions", tuple(Group(f"{n} or more", (AtLeast("sessions", n),)) for n in (1, 2, 3, 5))),),
        values=(PERSONS,),
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    "funnel",
    "Funnel and retention",
    "From the first look to the order, by channel and campaign, and who comes back.",
    rows=(STEPS, CONVERSIONS, CAMPAIGNS, RETENTION),
    controls=(CHANNEL, CAMPAIGN),
    range="1h",
)
