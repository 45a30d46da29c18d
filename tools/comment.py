"""Write one comment to the pull request of a run of GitHub Actions, and update it later: python tools/comment.py FILE.

It needs nothing but Python. What it is told by the environment is checked: the token goes to the API's host alone, over
TLS unless that is this machine, and no redirect is followed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MARK = "<!-- sqlmigrate review -->"
"""The first line of the comment, by which it is found again."""

_REFUSED = (401, 403, 404)  # a pull request from a fork has a token that only reads
_PAGES, _SECONDS = 30, 60


class Api:
    """The API of GitHub, for one repository."""

    def __init__(self, url: str, repository: str, token: str) -> None:
        """Take the address and the token; raises ValueError for what is neither."""
        parts = urlsplit(url)
        local = parts.hostname == "127.0.0.1"
        if parts.hostname is None or not (parts.scheme == "https" or (local and parts.scheme == "http")):
            raise ValueError(f"not the address of an API: {url!r}")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise ValueError(f"not the name of a repository: {repository!r}")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=_SECONDS)
        self._base = f"{parts.path.rstrip('/')}/repos/{repository}"
        self._headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "User-Agent": "sqlmigrate",
        }

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send one request, and return the status and the answer."""
        sent = json.dumps(body).encode() if body is not None else None
        self._connection.request(method, self._base + path, sent, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def write(api: Api, number: int, text: str) -> str:
    """Write the comment or update ours, and say what was done; of several, the first one is ours."""
    body = {"body": f"{MARK}\n{text}"}
    found = _ours(api, number)
    if isinstance(found, str):
        return found
    where = ("POST", f"/issues/{number}/comments") if found is None else ("PATCH", f"/issues/comments/{found}")
    status, _ = api.ask(*where, body)
    if status in _REFUSED:
        return f"the comment could not be written (status {status}): the job needs pull-requests: write"
    if status not in (200, 201):
        raise HTTPException(f"{where[0]} gave status {status}")
    return "the comment was written" if found is None else "the comment was updated"


def _ours(api: Api, number: int) -> int | str | None:
    """Find our comment: one that a bot wrote and that begins with the mark, since anybody can write that."""
    for page in range(1, _PAGES + 1):
        status, comments = api.ask("GET", f"/issues/{number}/comments?per_page=100&page={page}")
        if status in _REFUSED:
            return f"the comments could not be read (status {status}): the job needs pull-requests: write"
        for comment in comments if isinstance(comments, list) else []:
            by_bot = (comment.get("user") or {}).get("type") == "Bot"
            if by_bot and str(comment.get("body") or "").startswith(MARK):
                return int(comment["id"])
        if not isinstance(comments, list) or len(comments) < 100:  # noqa: PLR2004  per_page
            return None
    return None


def main(path: Path) -> int:
    """Write the text of a file; without a pull request, or without the right, say so and do nothing."""
    environ = os.environ
    event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    number = (event.get("pull_request") or {}).get("number")
    if not isinstance(number, int):
        print("no comment: this run is for no pull request")  # noqa: T201  a script
        return 0
    if not path.exists():
        print("no comment: there is no report")  # noqa: T201  same
        return 0
    api = Api(environ["GITHUB_API_URL"], environ["GITHUB_REPOSITORY"], environ["GITHUB_TOKEN"])
    print(write(api, number, path.read_text(encoding="utf-8")))  # noqa: T201  same
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
