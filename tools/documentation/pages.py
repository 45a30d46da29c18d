"""Lay out the documentation site in build/site, or in a folder that is named; `make docs` builds it from there.

The pages are those of docs/, which GitHub shows as they are. On the site, the page of commands also has the help of
every command, and a link to a file that the site does not have is the name of this file.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.app import COMMANDS, cli

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TARGET = ROOT / "build" / "site"
ELSEWHERE = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Pages of the repository's top level that the site has, too."""
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`(?:sqlmigrate )?([a-z]+)\b")
_HELP_WIDTH = 78  # what Click leaves of 80 columns


def main(target: Path = TARGET) -> None:
    """Write the pages and the configuration; what an earlier run left is replaced."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "docs", target / "docs")
    shutil.copy(HERE / "site.css", target / "docs")
    for name in ELSEWHERE:
        shutil.copy(ROOT / name, target / "docs")
    for page in (target / "docs").rglob("*.md"):
        page.write_text(_text(page, page.relative_to(target / "docs")), encoding="utf-8")
    (target / "zensical.toml").write_text(_configuration(target / "docs"), encoding="utf-8")


def with_help(text: str) -> str:
    """Put the help of each command behind its section of the page of commands."""
    return _SECTION.sub(lambda section: section[0] + "".join(map(_block, _commands_of(section[0]))), text)


def leaves(name: str) -> Iterator[tuple[str, click.Command]]:
    """Give the commands that a name stands for, with their words: `seed` for `seed` and `seed check`."""
    found = cli.get_command(click.Context(cli), name)
    if found is None:
        return
    yield name, found
    for below, inner in getattr(found, "commands", {}).items():
        yield f"{name} {below}", inner


def help_of(words: str, command: click.Command) -> str:
    """Give what `sqlmigrate WORDS --help` prints on a terminal of 80 columns."""
    context = click.Context(cli, info_name="sqlmigrate", **cli.context_settings)
    *groups, last = words.split()
    for group in groups:
        context = click.Context(cli, info_name=group, parent=context)
    settings = {**command.context_settings, "terminal_width": _HELP_WIDTH}
    return command.get_help(click.Context(command, info_name=last, parent=context, **settings))


def _commands_of(section: str) -> list[tuple[str, click.Command]]:
    names = dict.fromkeys(_NAMED.findall(section.partition("\n")[0]))
    return [leaf for name in names if name in COMMANDS for leaf in leaves(name)]


def _block(leaf: tuple[str, click.Command]) -> str:
    words, command = leaf
    body = "\n".join(f"    {line}".rstrip() for line in help_of(words, command).splitlines())
    return f'??? note "sqlmigrate {words} --help"\n\n    ```text\n{body}\n    ```\n\n'


def _text(page: Path, name: Path) -> str:
    text = page.read_text(encoding="utf-8")
    if name == Path("commands.md"):
        text = with_help(text)
    parts = _CODE.split(text)
    parts[::2] = [_LINK.sub(lambda link: _link(link, page, name), part) for part in parts[::2]]
    return "".join(parts)


def _link(link: re.Match[str], page: Path, name: Path) -> str:
    """Give a link as the site has it: to its own page, or the name of a file that only the repository has."""
    words, address = link.groups()
    path, _, anchor = address.partition("#")
    if ":" in address or not path or (page.parent / path).exists():
        return link[0]
    at_home = (ROOT / ("" if str(name) in ELSEWHERE else "docs") / name.parent / path).resolve().relative_to(ROOT)
    if at_home.parts[0] == "docs":
        return f"[{words}]({'/'.join(at_home.parts[1:])}{'#' * bool(anchor)}{anchor})"
    return f"{words} (`{at_home}` in the repository)"


def _configuration(docs: Path) -> str:
    text = (HERE / "zensical.toml").read_text(encoding="utf-8")
    named = set(re.findall(r'"([^"]+\.md)"', str(tomllib.loads(text)["project"]["nav"]).replace("'", '"')))
    others = sorted({page.name for page in docs.glob("*.md")} - named)
    return text.replace("  ] },\n]\n", "".join(f'    "{name}",\n' for name in others) + "  ] },\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else TARGET)
