"""No password is ever shown, however it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.connection import parse_conninfo
from sqlmigrate.errors import ConfigError, redact

SECRETS = [
    "postgresql://u:hunter2@h:5432/d",
    "postgres://u:hunter2@h/d",
    "postgresql+psycopg2://u:hunter2@h/d",
    "postgresql+psycopg://u:hunter2@h/d?sslmode=require",
    "POSTGRESQL://u:hunter2@h/d",
    "postgresql://:hunter2@h/d",
    "postgresql://u:hunter2@[::1]:5432,h2:5433/d",
    "postgresql://u:hunt@er2hunter2@h/d",
    "postgresql://u:hunter2/x@h/d",
    "postgresql://u:x:hunter2@h/d",
    "postgresql://u:%68hunter2%40@h/d",
    "postgresql://h/d?user=u&password=hunter2&sslmode=require",
    "postgresql://h/d?sslpassword=hunter2",
    "host=h password=hunter2 user=u",
    "host=h password = hunter2",
    "host=h password='hunter2 hunter2' user=u",
    r"host=h password='a\'hunter2' user=u",
    "host=h password='hunter2 and never closed",
    "PGPASSWORD=hunter2 psql",
    "sslpassword=hunter2",
    "oauth_client_secret=hunter2",
    "scram_client_key=hunter2",
    "scram_server_key='hunter2'",
    'connection to "postgresql://u:hunter2@h/d" failed: postgresql://v:hunter2@h2/d',
    "line one\npassword=hunter2\nline three",
    "postgresql://u:my hunter2@h/d",
    r"password=a\ hunter2",
    'PGPASSWORD="a hunter2"',
    '{"password": "hunter2"}',
    "{'password': 'hunter2'}",
    "password => 'hunter2'",
    "ALTER ROLE x PASSWORD'hunter2'",
    r"ALTER ROLE x PASSWORD E'a\'hunter2'",
    "ALTER ROLE x PASSWORD U&'hunter2'",
    "ALTER ROLE x PASSWORD $$hunter2$$",
    "ALTER ROLE x PASSWORD $q$hunter2$q$ VALID UNTIL 'infinity'",
    "ALTER ROLE x PASSWORD /* c */ 'hunter2'",
    "ALTER ROLE x PASSWORD -- c\n 'hunter2'",
    "ALTER ROLE x PASSWORD 'a'\n  'hunter2'",
    "EXECUTE 'ALTER ROLE x PASSWORD ''hunter2'''",
    "EXECUTE 'ALTER ROLE x PASSWORD ''hunter2",
    "OPTIONS (user 'x', \"password\" 'hunter2')",
    "OPTIONS (SET password 'a''hunter2')",
    "CONNECTION 'host=h password=''a hunter2''' PUBLICATION p",
    r"CONNECTION E'host=h password=\'a hunter2\'' PUBLICATION p",
    "dblink('password=''hunter2'' host=h')",
    "https://hunter2@github.com/x",
    "https://gitlab.com/x?private_token=hunter2",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_password_is_blanked_out(text):
    assert "hunter2" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "postgresql://u@h:5432/d",
        "postgresql:///d",
        "host=h user=u",
        "the password is wrong",
        "select a::text from b",
        "x@y.z",
        "postgresql://h:5432 as u@h",
        "app.users.password: the type differs from 'text'",
        'column "password" of relation "users" does not exist',
        "https://example.com/a@b",
        "token = 3",
        "column 'password' of 'users' is missing",
    ],
)
def test_what_is_not_secret_stays(text):
    assert redact(text) == text


def test_the_rest_of_a_url_stays():
    assert redact("postgresql://u:p@h:5432/d?sslmode=require") == "postgresql://u:***@h:5432/d?sslmode=require"
    assert redact("host=h password=p user=u") == "host=h password=*** user=u"
    assert redact('{"password": "p", "user": "u"}') == '{"password": "***", "user": "u"}'
    assert redact("ALTER ROLE x PASSWORD $$p$$ NOLOGIN") == "ALTER ROLE x PASSWORD '***' NOLOGIN"
    assert redact("f('password=''p q'' host=h', 1)") == "f('password=''***'' host=h', 1)"


@given(st.text(st.characters(codec="ascii", exclude_categories=("Z", "C"), exclude_characters="'\\&"), min_size=6))
def test_any_password_is_blanked_out(password):
    url = redact(f"postgresql://someone:{password}@h/d")
    pairs = redact(f"host=h password={password} user=u")

    assert url == "postgresql://someone:***@h/d"
    assert pairs == "host=h password=*** user=u"


def test_blanking_out_twice_changes_nothing():
    assert all(redact(redact(text)) == redact(text) for text in SECRETS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:p%40%2F@h:1/d", {"user": "u", "password": "p@/", "host": "h", "port": "1", "dbname": "d"}),
        ("postgresql+psycopg://u@h/d", {"user": "u", "host": "h", "dbname": "d"}),
        ("postgres+asyncpg:///d", {"dbname": "d"}),
        ("host=/tmp user='a b'", {"host": "/tmp", "user": "a b"}),
        ("postgresql://h1:1,h2:2/d", {"host": "h1,h2", "port": "1,2", "dbname": "d"}),
        ("postgresql://u@[::1]:5432/d", {"user": "u", "host": "::1", "port": "5432", "dbname": "d"}),
        ("postgresql:///d?host=/var/run/x", {"dbname": "d", "host": "/var/run/x"}),
        ("", {}),
    ],
)
def test_a_url_or_key_value_string_is_read_by_libpqs_rules(text, expected):
    assert parse_conninfo(text, source="x") == expected


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hunter2@h:port/d",
        "postgresql://u:hunter2@[::1/d",
        "postgresql://u:hunt@er2hunter2@h/d",
        "postgresql://u:hunter2/x@h/d",
        "postgresql://u:hunter2%zz@h/d",
        "password=hunter2 nonsense=1",
        "password='hunter2",
        "hunter2",
        "mysql://u:hunter2@h/d",
        "mysql+pymysql://u:hunter2@h/d",
        "sqlite:///hunter2",
    ],
)
def test_what_cannot_be_read_is_refused_by_its_source_and_never_repeated(text):
    with pytest.raises(ConfigError) as caught:
        parse_conninfo(text, source="variable DATABASE_URL")

    assert str(caught.value).startswith("variable DATABASE_URL ")
    assert "unter2" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert caught.value.__context__ is None or caught.value.__suppress_context__
