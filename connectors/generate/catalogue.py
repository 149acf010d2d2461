"""What the shop sells and where, and the texts that browsers, apps and forms send, right and wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SITE = "https://shop.example.com"
CATEGORIES = ("手机", "Laptops", "图书", "Kitchen", "Garden", "服饰", "Toys", "Sports")
PAGES = ("Home", "Search", "Offers", "Category", "Account", "Help", "Stores", "News")
COMPANIES = ("Example Trading", "Northwind", "Contoso", "Fabrikam")
CURRENCY = "CNY"

# Name, source and medium; in the URL of a page they stand percent-encoded, and not all of them have all.
CAMPAIGNS = (
    ("spring_sale", "newsletter", "email"),
    ("brand", "baidu", "cpc"),
    ("double 11", "wechat", "social"),
    ("new-arrivals", "google", "cpc"),
    ("win_back", "sms", "sms"),
    ("重新上线", "weibo", "social"),
)
CAMPAIGN_QUERIES = (
    "utm_campaign=spring_sale&utm_source=newsletter&utm_medium=email",
    "utm_campaign=brand&utm_source=baidu&utm_medium=cpc",
    "utm_source=wechat&utm_campaign=double%2011&utm_medium=social",
    "utm_campaign=new-arrivals&utm_source=google&utm_medium=cpc",
    "utm_campaign=win_back&utm_source=sms&utm_medium=sms",
    "utm_campaign=%E9%87%8D%E6%96%B0%E4%B8%8A%E7%BA%BF&utm_source=weibo",
)
REFERRERS = (
    "",
    "https://www.google.com/",
    "https://www.baidu.com/link?url=x1",
    "https://weibo.com/",
    "https://news.example.org/a",
)
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",  # noqa: E501
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",  # noqa: E501
)
BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)
# Library and user agent; a device keeps its app.
APPS = (
    ("analytics-ios", "Shop/5.2 (iPhone; iOS 17.5; Scale/3.00)"),
    ("analytics-android", "Shop/5.1 (Linux; Android 14; Xiaomi 14)"),
    ("analytics-react-native", "Shop/5.3 (iPad; iPadOS 17.4)"),
    ("analytics_flutter", "Dart/3.4 (dart:io)"),
)

BLOCKED_IDS = (
    "null",
    "undefined",
    "guest",
    "Anonymous",
    "0",
    "00000000-0000-0000-0000-000000000000",
    "[object Object]",
    " n/a ",
)
INVALID_EMAILS = ("not-an-email", "li@", "a b@example.com", "@example.com")
INVALID_PHONES = ("12345", "000-0000", "phone", "+86 999")


@dataclass(frozen=True)
class Product:
    """`fields` are the members of the product in an event's properties, as JSON text."""

    number: str
    category: str
    price: float
    fields: str


def _product(number: int) -> Product:
    category = CATEGORIES[number % len(CATEGORIES)]
    price = 9.9 + (number * 7919 % 5000) / 10
    fields = f'"product_id":"P{number:04d}","name":"{category} {number}","category":"{category}","price":{price:.2f}'
    return Product(f"P{number:04d}", category, price, fields)


PRODUCTS = tuple(_product(number) for number in range(200))
POPULARITY = np.cumsum(1 / np.arange(1, len(PRODUCTS) + 1))
POPULARITY /= POPULARITY[-1]
"""Cumulative shares of the products among those that are looked at (Zipf's law)."""

_FULL_WIDTH = str.maketrans({code: code + 0xFEE0 for code in range(0x21, 0x7F)})


def full_width(text: str) -> str:
    """As an East Asian input method may write it; NFKC gives the plain text back."""
    return text.translate(_FULL_WIDTH)


def messy_user_id(user_id: str, choice: int) -> str:
    """A user id as careless software sends it; the same after clean-up."""
    return f" {user_id} " if choice % 2 else full_width(user_id)


_EMAIL_FORMS: tuple[Callable[[str], str], ...] = (
    str,
    str,
    str,
    str.upper,
    str.title,
    lambda email: f" {email} ",
    full_width,
)


def messy_email(email: str, choice: int) -> str:
    """One of the ways in which people and forms write an e-mail address; all mean the same."""
    return _EMAIL_FORMS[choice % len(_EMAIL_FORMS)](email)


def messy_phone(phone: str, choice: int) -> str:
    """One of the ways in which people write a Chinese mobile number of 11 digits; all mean the same."""
    area, middle, last = phone[:3], phone[3:7], phone[7:]
    forms = (
        phone,
        f"+86{phone}",
        f"+86 {area} {middle} {last}",
        f"0086{phone}",
        f"0086-{area}-{middle}-{last}",
        f"{area}-{middle}-{last}",
        f" {phone} ",
        full_width(phone),
        f"(+86){phone}",
    )
    return forms[choice % len(forms)]
