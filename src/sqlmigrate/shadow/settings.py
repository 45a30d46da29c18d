"""What a target decides beside the scripts: its settings, its encoding and locale, and its extensions' versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.connection import Connection

USUAL = {
    # what constants and casts mean
    "timezone": "UTC",
    "timezone_abbreviations": "Default",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "xmloption": "content",
    # how values are printed, which casts to text write down
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    # where names are found, and what new objects are like
    "search_path": '"$user", public',
    "default_tablespace": "",
    "temp_tablespaces": "",
    "default_table_access_method": "heap",
    "default_toast_compression": "pglz",
    "default_text_search_config": "pg_catalog.english",
    "default_statistics_target": "100",
    "createrole_self_grant": "",
    "password_encryption": "scram-sha-256",
    # what is checked, and how scripts run
    "check_function_bodies": "on",
    "row_security": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "plpgsql.variable_conflict": "error",
    "plpgsql.check_asserts": "on",
    "plpgsql.extra_errors": "none",
}
"""The settings that are taken from a target, with what they mostly are.

No other one is: a setting may load a library, run a command or name a file, and all of that would be this machine's.
"""

OTHER_ZONE = "America/New_York"
"""A time zone that is never at UTC, and that puts its clock back once a year."""

_SAME_ZONES = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal"})
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
_FIRST_WITH_PROVIDER, _FIRST_WITH_BUILTIN, _FIRST_WITH_RULES = 150000, 170000, 160000


@dataclass(frozen=True, slots=True)
class Locale:
    """A database's encoding and locale, as pg_database has them; `provider` is libc, icu or builtin."""

    encoding: str = "UTF8"
    provider: str = "libc"
    collate: str = "C"
    ctype: str = "C"
    locale: str | None = None
    rules: str | None = None

    def __str__(self) -> str:
        """Say it as people name it, such as `UTF8, collation de_DE.UTF-8`."""
        named = self.locale if self.provider != "libc" else None
        own = f"{named} ({self.provider})" if named else self.collate
        ctype = f", ctype {self.ctype}" if not named and self.ctype != self.collate else ""
        return f"{self.encoding}, collation {own}{ctype}"

    def clauses(self, version: int) -> Iterator[tuple[tuple[str, str], ...]]:
        """Yield what CREATE DATABASE may say for it on a server, the nearest first."""
        libc = (("ENCODING", self.encoding), ("LC_COLLATE", self.collate), ("LC_CTYPE", self.ctype))
        provider = (("LOCALE_PROVIDER", "libc"),) if version >= _FIRST_WITH_PROVIDER else ()
        if self.provider == "icu" and self.locale and version >= _FIRST_WITH_PROVIDER:
            rules = (("ICU_RULES", self.rules),) if self.rules and version >= _FIRST_WITH_RULES else ()
            yield (*libc, ("LOCALE_PROVIDER", "icu"), ("ICU_LOCALE", self.locale), *rules)
        if self.provider == "builtin" and self.locale and version >= _FIRST_WITH_BUILTIN:
            yield (*libc, ("LOCALE_PROVIDER", "builtin"), ("BUILTIN_LOCALE", self.locale))
        yield (*libc, *provider)
        if self.encoding != "UTF8":
            yield (("ENCODING", self.encoding), ("LC_COLLATE", "C"), ("LC_CTYPE", "C"), *provider)


@dataclass(frozen=True, slots=True)
class Settings:
    """What scripts find in a database: `values` of the settings in `USUAL`, its locale, its extensions' versions.

    `own` are settings of the user's own making, such as `app.tenant`; they may hold secrets and are never shown.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    locale: Locale = field(default_factory=Locale)
    extensions: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def unusual(self) -> dict[str, str]:
        """The settings that are not what they mostly are."""
        return {name: value for name, value in self.values.items() if not same(name, value, USUAL.get(name, ""))}

    @property
    def tablespaces(self) -> frozenset[str]:
        """The tablespaces that they name."""
        named = f"{self.values.get('default_tablespace', '')},{self.values.get('temp_tablespaces', '')}"
        return frozenset(part.strip('"') for part in _parts(named) if part and not part.startswith("pg_"))

    def __str__(self) -> str:
        """Say what counts in one line: the time zone, what is unusual, and the locale."""
        zone = self.values.get("timezone", USUAL["timezone"])
        shown = [f"{name} {value or 'empty'}" for name, value in self.unusual.items() if name != "timezone"]
        return "; ".join([", ".join([f"timezone {zone}", *shown]), f"encoding {self.locale}"])

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, without the user's own settings."""
        names = ("encoding", "provider", "collate", "ctype", "locale", "rules")
        locale = {name: getattr(self.locale, name) for name in names}
        return {"values": dict(self.values), "locale": locale, "extensions": dict(self.extensions)}


def from_json(data: Any) -> Settings:
    """Take back what `as_json` gave; only settings that may be taken from a target count.

    Raises ValueError, TypeError or KeyError where it is something else.
    """
    values, locale, extensions = data["values"], Locale(**data["locale"]), data["extensions"]
    texts = [*values.values(), *extensions.values(), locale.encoding, locale.provider, locale.collate, locale.ctype]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a setting is no text")
    return Settings({name: value for name, value in values.items() if name in USUAL}, locale, dict(extensions))


def read_settings(connection: Connection, *, login: str | None = None) -> Settings:
    """Read what scripts of a login find in a new session of theirs; None asks for the session's own.

    It needs no right and writes nothing. Of another login than the session's, what the server says beneath the
    session's own settings cannot be seen, and is taken to be PostgreSQL's default.
    """
    asked = queries.load("shadow")["settings"]
    row = connection.execute(asked, {"names": list(USUAL), "login": login}).fetchone()
    values, own, locale, extensions = row or ({}, {}, {}, {})
    provider = _PROVIDERS.get(locale.pop("provider", "c"), "libc")
    found = {name: value for name, value in own.items() if name in USUAL}
    return Settings(
        {name: value for name in USUAL if (value := (found | values).get(name)) is not None},
        Locale(provider=provider, **locale),
        extensions,
        {name: value for name, value in own.items() if name not in USUAL},
    )


def same(name: str, one: str, other: str) -> bool:
    """Tell whether two values of a setting mean the same: lists are written with spaces or without."""
    if name == "timezone" and one in _SAME_ZONES and other in _SAME_ZONES:
        return True
    if name in {"search_path", "temp_tablespaces"}:
        return _parts(one) == _parts(other)
    if name == "lc_monetary":
        return _plain_locale(one) == _plain_locale(other)
    return _parts(one.lower()) == _parts(other.lower())


def differences(target: Settings, shadow: Settings) -> Iterator[tuple[str, str]]:
    """Say what of a target's settings a shadow does not have, each behind its name."""
    for name, value in target.values.items():
        if not same(name, value, shadow.values.get(name, USUAL[name])):
            there = shadow.values.get(name, "unknown")
            yield name, f"{name} is {value or 'empty'} in the target and {there or 'empty'} on the throwaway database"
    if str(target.locale) != str(shadow.locale):
        said = f"the target is {target.locale}; the throwaway database, which cannot be like that, is {shadow.locale}"
        yield "encoding", said


def _plain_locale(name: str) -> str:
    """Return a locale's name without its encoding; C and POSIX are one."""
    plain = name.partition(".")[0]
    return "C" if plain == "POSIX" else plain


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]
