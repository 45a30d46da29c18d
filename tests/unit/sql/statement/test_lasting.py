"""What scripts ask of a session that others have used before."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.lasting import settings_asked


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("CREATE TABLE a (show text, language text);", set()),
        ("SELECT current_setting('search_path');", set()),
        ("SELECT pg_catalog.current_setting( 'App.Who' , true);", {"app.who"}),
        ("SELECT current_setting('app.a'::text, true), current_setting('app.b')::int;", {"app.a", "app.b"}),
        ("CREATE POLICY p ON t USING (id = current_setting('app.id')::int);", {"app.id"}),
        ("DO 'BEGIN PERFORM current_setting(''app.id''); END';", {"app.id"}),
        ('SHOW app.who; SHOW "App"."x"; SHOW TimeZone;', {"app.who", "app.x"}),
        ("SELECT set_config('app.who', 'me', false);", set()),
        ("SELECT current_setting(name) FROM names;", None),
        ("SELECT current_setting('app.' || name) FROM names;", None),
        ("SELECT \"current_setting\"(E'app.x');", None),
        ("LOAD 'auto_explain';", None),
        ("SELECT dblink_connect('c', '');", None),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'return 1';", None),
    ],
)
def test_settings_that_scripts_ask_for_are_found(text, names):
    found = settings_asked([script_from_text(Path("a.sql"), text)])

    assert found == (None if names is None else frozenset(names))
