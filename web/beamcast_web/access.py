# SPDX-License-Identifier: BSD-3-Clause
"""Who may in: links that work once, and what a browser that has used one keeps.

A link's token is in the part of the address after #, which browsers send nowhere: the page posts it
once, and gets two secrets for it. The cookie (HttpOnly) goes to every port of this host, so to other
users' servers as well; the key lies in the browser's storage, which belongs to this port alone. Both
are needed. Neither appears in an address or in a log.
"""
import secrets
from urllib.parse import urlsplit

LINKS = 64  # that wait to be used; the oldest ones go
BROWSERS = 256  # that are known; the oldest ones go
FULL, VIEW = "full", "view"


class Access:
    def __init__(self):
        self.cookie = "beamcast-" + secrets.token_hex(4)  # ports share cookies: a name for each session
        self._links = {}  # token: rights
        self._browsers = {}  # cookie's value: (key, rights)

    def link(self, rights):
        """The token of a link that works once."""
        token = secrets.token_urlsafe(24)
        self._links[token] = rights
        while len(self._links) > LINKS:
            del self._links[next(iter(self._links))]
        return token

    def enter(self, token):
        """Uses a link up: the cookie's value, the key, the rights; None if there is no such link."""
        rights = self._links.pop(token, None)
        if rights is None:
            return None
        value, key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._browsers[value] = (key, rights)
        while len(self._browsers) > BROWSERS:
            del self._browsers[next(iter(self._browsers))]
        return value, key, rights

    def rights(self, request, key):
        """What a browser may that brings this cookie and this key; None: nothing."""
        known, rights = self._browsers.get(request.cookies.get(self.cookie, ""), ("", None))
        good = isinstance(key, str) and secrets.compare_digest(known.encode(), key.encode())
        return rights if good and known else None


def is_own_page(request):
    """Whether a request comes from this page and not from another site's, as the browser says. What says
    nothing is no browser, or not to be trusted."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin", "")
    return urlsplit(origin).netloc.lower() in [
        host.strip().lower() for name in ("Host", "X-Forwarded-Host")
        for host in request.headers.get(name, "").split(",") if host.strip()]
