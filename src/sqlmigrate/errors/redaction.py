"""The forms in which passwords stand in texts; each is found in time that grows with the text alone."""

from __future__ import annotations

import re

# no group is repeated possessively: until Python 3.11.5 it takes what a failed repetition has read (gh-106052)
# of a scheme its end is enough, since an unbounded one would be looked for from each letter of a long word; a URL that
# was taken for a path has lost a slash
_URL_USER = re.compile(r"(?:[a-z][a-z0-9+.-]{0,30}://|\bpostgres(?:ql)?:/)[^/@:\s]*:", re.IGNORECASE)
_URL_BLANKS = re.compile(  # a password with blanks, which is not to be taken for a port and what is said behind it
    r"(?P<start>\bpostgres(?:ql)?(?:\+\w{1,20})?:/{1,2}[^/@:\s]*:)"
    r"(?!\d+\s)[^/@\s'\"]{0,200}(?:[ \t]++[^/@\s'\"]{0,200}){1,8}@",
    re.IGNORECASE,
)
_URL_TOKEN = re.compile(
    r"(?P<start>https?://)[^/@:\s]{1,500}@|(?P<key>[?&][\w-]{0,40}token=)[^\s&'\"#]+", re.IGNORECASE
)
_WORD = re.compile(r"\S+")
# with the quotes of a string in a string: doubled, or behind a backslash
_KEY_PASSWORD = re.compile(
    r"""(?P<start>(?:password|secret|scram_(?:client|server)_key)(?:["']\s*:\s*(?=["'])|\s*=\s*))
    (?:(?P<twice>'')(?=[^\s'])[^']*+(?:''|$)
    |(?P<slash>\\')[^'\\]*+\\'
    |(?P<double>")(?:[^"\\]|\\.)*"(?=[\s,;)}\]]|$)
    |>\s*'(?:[^']|'')*(?:'|$)
    |'(?:[^'\\]|\\.)*(?:'|$)
    |(?:[^\s&\\]|\\.)+|\\)""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
# comments are bounded, or each of many would be looked at to the end of the text
_SQL_PASSWORD = re.compile(
    r"""(?P<start>(?<!')\bpassword"?(?:\s|/\*[^*]{0,200}\*/|--[^\n]{0,200}\n)*)
    (?:(?P<twice>'')(?=[^\s'])[^']*+(?:''|$)
    |(?:e'(?:[^'\\]|''|\\.)*(?:'|$)|(?:u&)?'(?:[^']|'')*(?:'|$))(?:[^\S\n]*\n\s*'(?:[^']|'')*(?:'|$))*
    |\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|$))""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def without_passwords(text: str) -> str:
    """Return a text in which the passwords of URLs, connection strings, commands and JSON are blanked out."""
    if "@" in text:
        text = _WORD.sub(_without_password, text)
        text = _URL_BLANKS.sub(r"\g<start>***@", text)
    text = _URL_TOKEN.sub(lambda found: f"{found['start']}***@" if found["start"] else f"{found['key']}***", text)
    text = _SQL_PASSWORD.sub(lambda found: _blanked(found, found["twice"] or "'"), text)
    return _KEY_PASSWORD.sub(lambda found: _blanked(found, found["twice"] or found["slash"] or _json(found)), text)


def _blanked(found: re.Match[str], quote: str) -> str:
    return f"{found['start']}{quote}***{quote}"


def _json(found: re.Match[str]) -> str:
    return (found["double"] or "") if ":" in found["start"] else ""


def _without_password(word: re.Match[str]) -> str:
    """Blank out the password of a URL, up to the last @: one that should have been written as %40 belongs to it."""
    end = word[0].rfind("@")
    user = _URL_USER.search(word[0], 0, max(end, 0))
    return f"{word[0][: user.end()]}***{word[0][end:]}" if user else word[0]
