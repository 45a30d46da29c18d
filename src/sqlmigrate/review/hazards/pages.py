"""The page of a hazard: its rule in words, with tested examples that have it and that do not."""

from __future__ import annotations

import textwrap
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable

    from sqlmigrate.review.hazards.records import Rule

EXAMPLES = files(__package__) / "examples"
"""For each code a folder with `bad.sql`, `good.sql` and, where they need them, `setup.sql` and `queries.sql`, which the
application sends; they run on `ground.sql`."""

_PAGE = """# {code}: {title}

Severity: {severity}

{what}

{blocks}

{instead}

{setup}{queries}With the hazard:

```sql
{bad}```

Without the hazard:

```sql
{good}```

To allow the hazard, write the reason directly before the statement:

```sql
-- sqlmigrate-allow: {code} the reason
```
"""


def page(rule: Rule) -> str:
    """Return the page of a hazard as Markdown."""
    folder = EXAMPLES / rule.code
    bad, good = ((folder / f"{name}.sql").read_text(encoding="utf-8") for name in ("bad", "good"))
    setup, queries = folder / "setup.sql", folder / "queries.sql"
    return _PAGE.format(
        code=rule.code,
        title=rule.title,
        severity=rule.severity,
        what=_wrapped(rule.what),
        blocks=_wrapped(f"**What waits or breaks:** {rule.blocks}."),
        instead=_wrapped(f"**Instead:** {rule.instead}."),
        queries=_block("The application sends:", queries),
        setup=_block("Given:", setup),
        bad=bad,
        good=good,
    )


def _block(words: str, file: Traversable) -> str:
    return f"{words}\n\n```sql\n{file.read_text(encoding='utf-8')}```\n\n" if file.is_file() else ""


def named(rules: Iterable[Rule], name: str) -> Rule | None:
    """Find a rule by its code or slug, in capitals or not."""
    wanted = name.lower()
    return next((rule for rule in rules if wanted in {rule.code.lower(), rule.slug}), None)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
