"""Events per second of Cleaner.clean on one core: `python -m bench cleaning [--events N] [--profile]`.

The best of three runs over a realistic mix of about 400 bytes an event. "warm": few persons, so every cache hits.
"cold": a new person in every event, so no cache of identifiers, contacts or addresses ever hits.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import random
import time

import orjson

from dmp.core.cleaning import Cleaner, CleanEvent
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys

AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1 Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Mobile Safari/537.36",
]
DOMAINS = ["example.com", "example.org", "mail.example.net", "qq.com", "163.com"]


def make_event(random_: random.Random, number: int, person: int) -> bytes:
    """One event: half page views, a quarter plain tracks, a fifth identifies with e-mail and phone, a few orders."""
    kind = random_.choices(["page", "track", "identify", "order"], [50, 25, 20, 5])[0]
    second = number // 1000
    stamp = f"2025-03-01T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.{number % 1000:03}Z"
    context = {
        "ip": f"10.{person >> 16 & 255}.{person >> 8 & 255}.{person & 255}",
        "userAgent": AGENTS[person % len(AGENTS)],
        "library": {"name": "analytics.js"},
    }
    event: dict[str, object] = {"messageId": f"m-{number:012}", "anonymousId": f"c-{person:012x}", "timestamp": stamp}
    if kind == "page":
        url = f"https://shop.example.com/p/{person % 500}?utm_campaign=spring&utm_source=mail"
        event.update(type="page", context={**context, "page": {"url": url, "title": "Shoes"}})
    elif kind == "identify":
        address = f"User.{person}@{DOMAINS[person % len(DOMAINS)]}"
        traits = {"email": address, "phone": f"138{person % 100_000_000:08}", "name": "Ann"}
        event.update(type="identify", userId=f"u{person}", traits=traits, context=context)
    elif kind == "order":
        properties = {"order_id": f"o{number}", "revenue": 19.9, "currency": "CNY", "email": f"u{person}@qq.com"}
        event.update(type="track", event="Order Completed", userId=f"u{person}", properties=properties, context=context)
    else:
        event.update(type="track", event="Product Viewed", properties={"sku": f"s{person % 999}"}, context=context)
    return orjson.dumps(event)


def make_events(count: int, persons: int, seed: int) -> list[bytes]:
    random_ = random.Random(seed)
    return [make_event(random_, number, random_.randrange(persons)) for number in range(count)]


def measure(events: list[bytes], cleaner: Cleaner) -> float:
    # Processor time: what else runs on the machine doesn't count.
    start = time.process_time()
    accepted = sum(type(cleaner.clean(event)) is CleanEvent for event in events)
    seconds = time.process_time() - start
    if accepted != len(events):
        raise SystemExit(f"only {accepted} of {len(events)} events are clean: the benchmark's events are wrong")
    return len(events) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--profile", action="store_true", help="print where the time of the cold run goes")
    args = parser.parse_args()
    keys = PrivacyKeys(b"benchmark")

    warm = make_events(args.events, 5_000, seed=1)
    cleaner = Cleaner(CleaningRules(), keys)
    measure(warm, cleaner)
    size = sum(map(len, warm)) / len(warm)
    print(f"{len(warm):,} events of {size:.0f} bytes on average")
    print(f"warm caches: {max(measure(warm, cleaner) for _ in range(3)):,.0f} events/s")

    cold = make_events(args.events, 1_000_000_000, seed=2)
    print(f"cold caches: {max(measure(cold, Cleaner(CleaningRules(), keys)) for _ in range(3)):,.0f} events/s")
    if args.profile:
        profile = cProfile.Profile()
        profile.runcall(measure, cold, Cleaner(CleaningRules(), keys))
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
