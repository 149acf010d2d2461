"""Country and city of addresses, from a small database in MaxMind's format."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from dmp.errors import UserError
from dmp.geo import open_database

PARIS = {"country": {"iso_code": "FR"}, "city": {"names": {"en": "Paris", "de": "Paris"}}}
CHINA = {"country": {"iso_code": "CN"}}
NOWHERE = {"location": {"time_zone": "Etc/UTC"}}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-City")
    writer.insert_network(IPSet(["198.51.100.0/24", "2001:db8:1::/48"]), PARIS)
    writer.insert_network(IPSet(["203.0.113.0/24"]), CHINA)
    writer.insert_network(IPSet(["192.0.2.0/24"]), NOWHERE)
    file = tmp_path / "city.mmdb"
    writer.to_db_file(str(file))
    return file


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("198.51.100.7", ("FR", "Paris")),
        ("2001:db8:1::7", ("FR", "Paris")),
        ("203.0.113.1", ("CN", None)),
        ("192.0.2.1", (None, None)),
        ("10.0.0.1", (None, None)),
        ("2001:db8:ffff::1", (None, None)),
    ],
)
def test_looks_up_what_the_file_knows(database: Path, address: str, place: tuple[object, object]) -> None:
    assert open_database(database)(address) == place


def test_a_file_of_ipv4_alone_knows_no_ipv6_address(tmp_path: Path) -> None:
    writer = MMDBWriter(ip_version=4)
    writer.insert_network(IPSet(["198.51.100.0/24"]), PARIS)
    file = tmp_path / "ipv4.mmdb"
    writer.to_db_file(str(file))
    look_up = open_database(file)
    assert look_up("198.51.100.7") == ("FR", "Paris")
    assert look_up("2001:db8:1::7") == (None, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cleaning\.geo_database: .*missing\.mmdb"):
        open_database(tmp_path / "missing.mmdb")


@pytest.mark.parametrize("content", [b"", b"no database at all"], ids=["empty", "text"])
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.mmdb"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.mmdb is no database in MaxMind's format") as refusal:
        open_database(file)
    assert "\n" not in str(refusal.value)
