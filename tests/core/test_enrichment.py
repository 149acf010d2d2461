"""User agents, campaigns, channels, referrers, revenue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.enrichment import campaign, channel, currency, referrer_host, revenue_micros, user_agent

_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0"


@pytest.mark.parametrize(
    ("agent", "browser", "system", "kind"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36", "Chrome", "Windows", "desktop"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME} Safari/537.36", "Chrome", "Mac OS X", "desktop"),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
            "Firefox",
            "Ubuntu",
            "desktop",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) {_APPLE} Version/17.4 Mobile/15E148 Safari/604.1",
            "Mobile Safari",
            "iOS",
            "mobile",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {_CHROME} Mobile Safari/537.36",
            "Chrome Mobile",
            "Android",
            "mobile",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 13; CUBOT P60) {_CHROME} Mobile Safari/537.36",
            "Chrome Mobile",
            "Android",
            "mobile",
        ),
        ("Dalvik/2.1.0 (Linux; U; Android 9; SM-G960F Build/PPR1)", "Android", "Android", "mobile"),
        (
            f"Mozilla/5.0 (iPad; CPU OS 15_0 like Mac OS X) {_APPLE} Version/15.0 Mobile/15E148 Safari/604.1",
            "Mobile Safari",
            "iOS",
            "tablet",
        ),
        (f"Mozilla/5.0 (Linux; Android 13; SM-X700) {_CHROME} Safari/537.36", "Chrome", "Android", "tablet"),
        (f"Mozilla/5.0 (Linux; Android 9; BRAVIA 4K GB) {_CHROME} Safari/537.36", "Chrome", "Android", "tv"),
    ],
)
def test_browsers_are_told_by_family_system_and_kind_of_device(
    agent: str, browser: str, system: str, kind: str
) -> None:
    assert user_agent(agent) == (browser, system, kind, False)


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "facebookexternalhit/1.1",
        "curl/8.5.0",
        "python-requests/2.31.0",
        "Go-http-client/2.0",
        f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/124.0.0.0 Safari/537.36 {_CHROME}",
        "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    ],
)
def test_bots_are_flagged(agent: str) -> None:
    assert user_agent(agent)[2:] == ("bot", True)


def test_an_unknown_program_is_of_another_kind_and_no_bot() -> None:
    assert user_agent("SomethingElse 1.0") == (None, None, "other", False)


@pytest.mark.parametrize("value", [None, "", "  ", 5, {}])
def test_without_a_user_agent_nothing_is_known_and_nobody_is_a_bot(value: object) -> None:
    assert user_agent(value) == (None, None, None, False)


URL = "https://shop.example.com/?utm_campaign=Spring+sale%21&utm_source=mail&utm_medium=email&x=1#utm_campaign=no"


def test_the_campaign_of_the_context_counts_before_that_of_the_url() -> None:
    context = {"campaign": {"name": "summer", "source": "tv"}}
    assert campaign(context, URL) == ("summer", "tv", "email")


@pytest.mark.parametrize("given_", [None, "summer", {}, {"name": ""}, {"name": " "}, {"name": None}, {"name": 5}])
def test_without_a_campaign_in_the_context_the_decoded_parameters_of_the_url_count(given_: Any) -> None:
    assert campaign({"campaign": given_}, URL) == ("Spring sale!", "mail", "email")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (None, None),
        ("https://shop.example.com/", None),
        ("https://shop.example.com/#?utm_campaign=x", None),
        ("https://shop.example.com/?utm_campaign=", None),
        ("https://shop.example.com/?utm_campaign=a&utm_campaign=b", "a"),
        ("https://shop.example.com/?utm_campaign=%E6%98%A5", "春"),
        ("?utm_campaign=a?b=c", "a?b=c"),
        ("https://shop.example.com/?UTM_CAMPAIGN=x", None),
        ("http://[broken/?utm_campaign=x", "x"),
        ("https://shop.example.com/?utm_campaign=ann%40example.com", "a***@e***.com"),
    ],
)
def test_the_campaign_of_a_url(url: str | None, name: str | None) -> None:
    assert campaign({}, url).name == name


@pytest.mark.parametrize("given_", ["web", "app", "social", "store", "iot"])
def test_a_known_channel_counts_before_the_library(given_: str) -> None:
    assert channel(given_, "analytics-ios") == given_


@pytest.mark.parametrize("given_", [None, "email", "", 5, ["web"], {}])
@pytest.mark.parametrize(
    ("library", "expected"),
    [
        ("analytics.js", "web"),
        ("analytics-ios", "app"),
        ("analytics-android", "app"),
        ("analytics_flutter", "app"),
        ("@segment/analytics-react-native", "app"),
        ("analytics-kotlin", "app"),
        ("analytics-swift", "app"),
        ("com.rudderstack.android.sdk.core", "app"),
        ("analytics-python", None),
        ("axios", None),
        ("", None),
        (None, None),
    ],
)
def test_without_a_known_channel_the_library_tells_it(
    given_: object, library: str | None, expected: str | None
) -> None:
    assert channel(given_, library) == expected


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://WWW.Google.com/search?q=x", "www.google.com"),
        ("https://ann:secret@example.com:8443/", "example.com"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("www.google.com", None),
        ("/relative", None),
        ("http://[broken", None),
        ("$direct", None),
    ],
)
def test_the_host_of_a_referrer(url: str, host: str | None) -> None:
    assert referrer_host(url) == host


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        (19.5, 19_500_000),
        (0.1, 100_000),
        (1, 1_000_000),
        (0, 0),
        (-5.25, -5_250_000),
        ("19.50", 19_500_000),
        (" -1e2 ", -100_000_000),
        (0.0000005, 0),
        (0.0000015, 2),
        (0.0000025, 2),
        ("0.00000050000000000000000000000000000000000001", 1),
        (999_999_999_999.999, 999_999_999_999_999_000),
        (999_999_999_999, 999_999_999_999_000_000),
    ],
)
def test_revenue_becomes_millionths_rounded_half_to_even(value: object, micros: int) -> None:
    assert revenue_micros(value) == micros


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        "",
        "free",
        "1,000.00",
        "$5",
        "NaN",
        "inf",
        [1],
        {},
        10**12,
        -(10**12),
        1e12,
        "1e12",
        1e300,
        float("nan"),
    ],
)
def test_what_is_no_number_within_a_million_millions_is_no_revenue(value: object) -> None:
    assert revenue_micros(value) is None


@given(st.decimals(-999_999_999_999, 999_999_999_999, places=6))
def test_six_places_of_text_are_exact(value: Decimal) -> None:
    assert revenue_micros(str(value)) == int(value * 1_000_000)


@pytest.mark.parametrize(
    ("value", "code"),
    [("CNY", "CNY"), ("usd", "USD"), ("", None), ("YUAN", None), ("¥¥¥", None), (5, None), (None, None)],
)
def test_a_currency_is_three_letters(value: object, code: str | None) -> None:
    assert currency(value) == code
