"""Write the pages of docs/hazards/ from the rules and their tested examples: python tools/hazard_pages.py."""

from __future__ import annotations

from pathlib import Path

from sqlmigrate.review.hazards import RULES
from sqlmigrate.review.hazards.pages import page

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "hazards"

_INDEX = """# Hazards

`sqlmigrate review` warns about these hazards. Each has a page with an example that has the hazard
and one that does not; a test runs both on PostgreSQL. A *danger* and a *warning* are findings. A
*note* is only there to be read.

To allow a hazard, say so directly before the statement and give the reason. The report still lists
it:

```sql
-- sqlmigrate-allow: H06 the table is empty until this version is released
CREATE INDEX orders_placed ON orders (placed);
```

| code | hazard | severity |
|---|---|---|
"""


def pages() -> dict[str, str]:
    """Give every page by its file name."""
    rows = (f"| [{rule.code}]({Path(rule.page).name}) | {rule.title} | {rule.severity} |\n" for rule in RULES)
    return {"README.md": _INDEX + "".join(rows)} | {Path(rule.page).name: page(rule) for rule in RULES}


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for name, text in pages().items():
        (TARGET / name).write_text(text, encoding="utf-8")
