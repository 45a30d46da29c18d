"""What reports for other programs must be: JSON Schemas and rules of XML, made of the documentation of the formats.

GitLab publishes no schema of code quality, and JUnit has none that is official. So what we write is held against the
properties that the texts name, and nothing beside them is let through. SARIF is held against the schema of OASIS, too,
where `make install-tools` has fetched it (in the package sarif-om, 2.1.0-rtm.4). The texts are SARIF 2.1.0 of OASIS
(sections in the comments), GitLab's page on code quality, and the schema that Jenkins' xUnit plug-in uses, as pytest
follows it in its family xunit2.
"""

from __future__ import annotations

import json
import re
import tarfile
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema

from support.places import ROOT

_MESSAGE = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": {"type": "string", "minLength": 1}},
}
_COUNT = {"type": "integer", "minimum": 1}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _array(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


_LEVEL = {"enum": ["none", "note", "warning", "error"]}  # 3.27.10, 3.50.3, 3.58.6
_REGION = _object([], startLine=_COUNT, startColumn=_COUNT)  # 3.30
_PHYSICAL = _object(  # 3.29 and 3.4; a URI reference of RFC 3986
    ["artifactLocation"],
    artifactLocation=_object(["uri"], uri={"type": "string", "pattern": "^[A-Za-z0-9._~!$&'()*+,;=@/%-]+$"}),
    region=_REGION,
)
_RESULT = _object(  # 3.27
    ["message"],
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level=_LEVEL,
    message=_MESSAGE,
    locations=_array(
        _object(
            [],
            physicalLocation=_PHYSICAL,
            logicalLocations=_array(_object([], fullyQualifiedName={"type": "string"}), uniqueItems=True),
        )
    ),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
)
_RULE = _object(  # 3.49
    ["id"],
    id={"type": "string"},
    shortDescription=_MESSAGE,
    fullDescription=_MESSAGE,
    help=_MESSAGE,
    defaultConfiguration=_object([], level=_LEVEL),
)
_DRIVER = _object(  # 3.19; semver.org
    ["name"],
    name={"const": "sqlmigrate"},
    semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+([-+.].*)?$"},
    rules=_array(_RULE, uniqueItems=True),
)
_INVOCATION = _object(  # 3.20
    ["executionSuccessful"],
    executionSuccessful={"type": "boolean"},
    toolExecutionNotifications=_array(_object(["message"], level=_LEVEL, message=_MESSAGE)),
)
_SARIF = _object(  # 3.13 and 3.14
    ["version", "runs"],
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs=_array(
        _object(
            ["tool"],
            tool=_object(["driver"], driver=_DRIVER),
            automationDetails=_object([], id={"type": "string"}),  # 3.17
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            invocations=_array(_INVOCATION),
            results=_array(_RESULT),
        )
    ),
)
_QUALITY = _array(
    _object(
        ["description", "check_name", "fingerprint", "severity", "location"],
        description={"type": "string", "minLength": 1},
        check_name={"type": "string", "minLength": 1},
        fingerprint={"type": "string", "minLength": 1},
        severity={"enum": ["info", "minor", "major", "critical", "blocker"]},
        location=_object(
            ["path", "lines"],
            path={"type": "string", "pattern": r"^(?!\./)."},
            lines=_object(["begin"], begin=_COUNT),
        ),
    )
)


OFFICIAL_SARIF = ROOT / "build" / "tools" / "sarif" / "sarif_om-1.0.4.tar.gz"


@cache
def official_sarif() -> jsonschema.Validator | None:
    """Read the schema of OASIS out of the package that carries it; None where that was not fetched."""
    if not OFFICIAL_SARIF.exists():
        return None
    with tarfile.open(OFFICIAL_SARIF) as archive:
        member = archive.extractfile("sarif_om-1.0.4/sarif-2.1.0-rtm.4.json")
        assert member is not None
        return jsonschema.Draft4Validator(json.load(member))


def check_sarif(document: Any) -> dict[str, Any]:
    """Check a whole log file, also what no schema says, and return its one run."""
    jsonschema.validate(document, _SARIF)
    if (official := official_sarif()) is not None:
        official.validate(document)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]  # 3.27.6
        assert not re.search(r"\]\(|(?<!\{)\{\d+\}(?!\})", result["message"]["text"])  # 3.11.5, 3.11.6
    return run


def check_quality(document: Any) -> list[dict[str, Any]]:
    """Check a report of code quality: GitLab shows only the first of those with the same fingerprint."""
    jsonschema.validate(document, _QUALITY)
    assert len({item["fingerprint"] for item in document}) == len(document)
    return document


_ATTRIBUTES = {  # those that must be there, and those that may
    "testsuites": ({"tests"}, {"name", "time", "failures", "errors", "disabled"}),
    "testsuite": (
        {"name", "tests"},
        {"failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
    ),
    "testcase": ({"name", "classname"}, {"time"}),
    "failure": (set(), {"type", "message"}),
    "system-out": (set(), set()),
}
_INSIDE = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "system-out"},
    "failure": set(),
    "system-out": set(),
}


def check_junit(text: str) -> ET.Element:
    """Check a file of JUnit: its elements, their attributes, and that the counts are right."""
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        must, may = _ATTRIBUTES[element.tag]
        assert must <= set(element.attrib) <= must | may, element.tag
        assert {child.tag for child in element} <= _INSIDE[element.tag]
    cases = list(root.iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None]
    for element in (root, *root.iter("testsuite")):
        assert (int(element.attrib["tests"]), int(element.attrib["failures"])) == (len(cases), len(failed))
    return root


_COMMAND = re.compile(r"::(?P<command>error|warning|notice)(?: (?P<properties>[^:]*))?::(?P<message>.*)")
_NAMES = {"file", "line", "col", "title"}


def read_annotations(text: str) -> list[dict[str, str]]:
    """Read what GitHub's runner would: one command a line, its properties and message with their escapes undone."""
    found = []
    for line in text.splitlines():
        command = _COMMAND.fullmatch(line)
        assert command, line
        properties = dict(part.split("=", 1) for part in (command["properties"] or "").split(",") if part)
        assert set(properties) <= _NAMES
        values = {name: _undone(value) for name, value in properties.items()}
        found.append({"command": command["command"], "message": _undone(command["message"], ":,"), **values})
    return found


def _undone(text: str, but: str = "") -> str:
    """Undo the escapes as the runner does it: the percent sign last; a message has none of those in `but`."""
    for meant in "\r\n:,%":
        if meant not in but:
            text = text.replace(f"%{ord(meant):02X}", meant)
    return text
