# SPDX-License-Identifier: Apache-2.0
"""Who may talk to the server."""

from __future__ import annotations

import pytest

from vljepa_ros.web.access import Access, is_loopback

LOCAL = Access("127.0.0.1", "vljepa_8746")
OPEN = Access("0.0.0.0", "vljepa_8746")
OWN = {"Host": "localhost:8746", "Origin": "http://localhost:8746"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "localhost.evil.org"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8746", "[::1]:9000", "LOCALHOST:1"])
def test_this_machine_may_be_called_by_all_its_names_and_through_a_tunnel(host: str) -> None:
    assert LOCAL.refusal("GET", {"Host": host}, "") == ""


@pytest.mark.parametrize("host", ["evil.org", "127.0.0.1.evil.org:8746", "", "[", "10.0.0.1"])
def test_another_name_for_this_machine_is_refused(host: str) -> None:
    assert LOCAL.refusal("GET", {"Host": host}, "")


def test_other_machines_need_the_token() -> None:
    headers = {"Host": "robot:8746"}
    assert OPEN.refusal("GET", headers, "")
    assert OPEN.refusal("GET", headers, "guess")
    assert OPEN.refusal("GET", {**headers, "Cookie": "vljepa_8746=guess"}, "")
    assert OPEN.refusal("GET", headers, OPEN.token) == ""
    cookie = OPEN.cookie().partition(";")[0]
    assert OPEN.refusal("GET", {**headers, "Cookie": f"a=b; {cookie}"}, "") == ""


def test_loopback_has_no_token_that_an_empty_one_could_match() -> None:
    assert LOCAL.token == ""
    assert not LOCAL.is_token("")


def test_two_servers_have_two_tokens() -> None:
    assert Access("0.0.0.0", "vljepa_8746").token != OPEN.token


def test_changes_come_from_the_own_page() -> None:
    assert LOCAL.refusal("POST", {**OWN, **JSON}, "") == ""
    assert LOCAL.refusal("POST", OWN, "")
    assert LOCAL.refusal("POST", {**OWN, **JSON, "Origin": "http://evil.org"}, "")
    assert LOCAL.refusal("POST", {**OWN, **JSON, "Origin": "http://localhost:1"}, "")
    assert LOCAL.refusal("POST", {**OWN, **JSON, "Origin": "null"}, "")


def test_other_sites_may_link_to_the_page_but_not_load_parts_of_it() -> None:
    other = {"Host": "localhost", "Sec-Fetch-Site": "cross-site"}
    assert LOCAL.refusal("GET", {**other, "Sec-Fetch-Mode": "navigate"}, "") == ""
    assert LOCAL.refusal("GET", {**other, "Sec-Fetch-Mode": "no-cors"}, "")
