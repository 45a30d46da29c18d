"""Draw what the seed data would do on the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.render import seeded
from sqlmigrate.review.render.html.icons import icon
from sqlmigrate.review.render.html.tags import Html, tag

if TYPE_CHECKING:
    from sqlmigrate.review.seed_model import Seeds, SeedTable


def seeds_section(seeds: Seeds) -> Html:
    """Say what would be written, table by table, and what does not fit."""
    return tag(
        "section",
        tag("h2", seeded.HEADING.capitalize(), id="seeds"),
        tag("p", tag("b", f"{seeds.headline}."), " ", tag("span", "Before the migrations.", class_="quiet")),
        [_table(table) for table in seeds.tables],
        [tag("p", icon("note"), " ", problem, class_="remark") for problem in seeds.problems],
        class_="block",
    )


def _table(table: SeedTable) -> Html:
    return tag(
        "details",
        tag("summary", tag("code", table.table), " ", table.counts, tag("span", f" {table.file}", class_="quiet")),
        tag("p", seeded.HIDDEN, class_="quiet") if table.hides_rows else None,
        tag(
            "ul",
            (
                tag("li", tag("code", text), tag("ul", (tag("li", tag("code", line)) for line in lines)))
                if lines
                else tag("li", tag("code", text))
                for text, lines in seeded.rows(table)
            ),
        ),
        class_="sent",
    )
