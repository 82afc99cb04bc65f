# SPDX-License-Identifier: Apache-2.0
"""Who may talk to the server: pages of other sites may not, and other machines need a token.

A browser lets any page send requests to this machine. Such a page may also make a name of its own
mean 127.0.0.1 (DNS rebinding). So requests must name this machine, must not come from another
site, and changes must come from our own page.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Decides about requests.

    Attributes:
        token: what visitors must show; "" if the server listens on loopback only.
    """

    def __init__(self, host: str, cookie: str) -> None:
        """Take the host that the server listens on, and a name for its cookie.

        The browser sends the cookies of one server to all servers of the machine, so that each
        needs a name of its own.
        """
        self._cookie = cookie
        self.token = "" if is_loopback(host) else secrets.token_urlsafe(24)

    def refusal(self, method: str, headers: Mapping[str, str], shown: str) -> str:
        """Return why a request is refused, or "".

        Args:
            method: such as "POST".
            headers: of the request.
            shown: token in the address, or "".
        """
        host = headers.get("Host", "")
        if not self.token and not is_loopback(_name(host)):
            return f"this server is for this machine only, and it is not called {host}"
        if self.token and not self._knows_token(headers, shown):
            return "open the address that the server printed when it started: it holds the token"
        from_elsewhere = headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
        if from_elsewhere and headers.get("Sec-Fetch-Mode") != "navigate":
            return "requests of other sites are refused"
        if method == "POST" and not _from_own_page(headers, host):
            return "requests that send something are taken from the server's own page only"
        return ""

    def cookie(self) -> str:
        """Return the header that makes the browser remember the token."""
        return f"{self._cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"

    def is_token(self, shown: str) -> bool:
        """Whether this is the token; takes as long for a wrong one."""
        return bool(self.token) and hmac.compare_digest(shown.encode(), self.token.encode())

    def _knows_token(self, headers: Mapping[str, str], shown: str) -> bool:
        try:
            morsel = SimpleCookie(headers.get("Cookie", "")).get(self._cookie)
        except CookieError:
            morsel = None
        return self.is_token(shown) or (morsel is not None and self.is_token(morsel.value))


def _name(host: str) -> str:
    """Return the header ``Host`` without a port; "" if it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _from_own_page(headers: Mapping[str, str], host: str) -> bool:
    origin = headers.get("Origin", f"http://{host}")
    is_json = headers.get("Content-Type", "").partition(";")[0].strip() == "application/json"
    return is_json and origin == f"http://{host}"
