"""What an HTML page would fetch from elsewhere when it is opened."""

import base64
import re
from html.parser import HTMLParser

# Attributes that make a browser fetch at once; <a href> does so only when it is followed.
FETCHED = {
    "src",
    "srcset",
    "data",
    "poster",
    "background",
    "action",
    "formaction",
    "manifest",
    "cite",
    "xlink:href",
}
FETCHING_LINKS = {"link", "base", "image", "use", "feimage", "script"}
CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*(?!["')\s])([^"')\s;]+)""", re.IGNORECASE)
# A script that asks for an address outside the page, whatever it does with the answer.
CALLS = re.compile(
    r"""(?:fetch|importScripts|import|Worker|EventSource|WebSocket|sendBeacon)\s*\(\s*["'`]"""
    r"""((?:https?:|wss?:)?//[^"'`]+)|\.open\(\s*["'`]\w+["'`]\s*,\s*["'`]((?:https?:)?//[^"'`]+)"""
    r"""|\.(?:src|href)\s*=\s*["'`]((?:https?:)?//[^"'`]+)|from\s*["'`]((?:https?:)?//[^"'`]+)""",
)


PAGES = re.compile(r"data:text/html[^\"',]*;base64,([A-Za-z0-9+/=]+)")


def foreign(page: str) -> list[str]:
    """Every address that the page, or a page within it, fetches and that does not lie in it."""
    finder = _Finder()
    finder.feed(page)
    finder.close()
    inner = [base64.b64decode(text).decode() for text in PAGES.findall(page)]
    return finder.found + [address for other in inner for address in foreign(other)]


class _Finder(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag, attrs):
        self._inside = tag
        if tag in ("iframe", "frame", "embed", "object", "applet", "portal"):
            self.found.append(f"<{tag}>")
        values = {name: value or "" for name, value in attrs}
        for name, value in values.items():
            if name in FETCHED or (name == "href" and tag in FETCHING_LINKS):
                self._note(tag, value)
            if name == "style":
                self._css(tag, value)
            if name.startswith("on") or value.strip().lower().startswith("javascript:"):
                self._script(value)
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.found.append(f"<meta refresh {values.get('content')}>")

    handle_startendtag = handle_starttag

    def handle_endtag(self, _):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "style":
            self._css("style", data)
        if self._inside == "script":
            self._script(data)

    def _note(self, tag: str, address: str) -> None:
        if address and not address.strip().lower().startswith(("data:", "blob:", "#", "about:")):
            self.found.append(f"<{tag}> {address[:100]}")

    def _css(self, tag: str, text: str) -> None:
        for match in CSS.finditer(text):
            self._note(tag, match[1])

    def _script(self, text: str) -> None:
        for match in CALLS.finditer(text):
            self.found.append(f"<script> {next(filter(None, match.groups()))[:100]}")
