"""What is decided before anybody connects: which scheduler, with which certificates, and who may have which target."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import dataclass, field, fields, replace
from types import SimpleNamespace

import pytest

from sqlmigrate.config import Config
from sqlmigrate.engine import Options
from sqlmigrate.errors import ConfigError, Error, UsageError
from sqlmigrate.fleet.coordinator import Stop
from sqlmigrate.fleet.inventory import Target
from sqlmigrate.fleet.machines import guard, needs, tasks, versions, wire
from sqlmigrate.fleet.machines.address import address_of
from sqlmigrate.fleet.machines.crew import Crew
from sqlmigrate.fleet.machines.reaching import SchedulerUnreachable, knock
from sqlmigrate.fleet.model import Failure, Outcome, Verdict, Wanted
from sqlmigrate.fleet.order import Order
from sqlmigrate.fleet.places import Listed
from sqlmigrate.fleet.standing import Kind, Standing
from sqlmigrate.fleet.waves import read_wish
from sqlmigrate.history.model import Run
from support.machines import certificates, free_port
from support.waiting import wait_until


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Certificates of one authority, and one of another."""
    folder = tmp_path_factory.mktemp("pki")
    certificates(folder / "ours")
    certificates(folder / "theirs")
    return folder


def config(text, files=None, name="worker", **more):
    if files is None:
        return Config(scheduler=text, **more)
    ours = {
        "scheduler_ca": files / "ca.pem",
        "scheduler_cert": files / f"{name}.pem",
        "scheduler_key": files / f"{name}.key",
    }
    return Config(scheduler=text, **ours | more)


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:8786", "tcp://127.9.9.9:1", "tcp://[::1]:8786"])
def test_a_scheduler_on_this_machine_needs_no_certificate(text):
    assert str(address_of(config(text))) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "tcp://10.0.0.1:8786",
            "without TLS, whoever can reach a scheduler gives orders to workers that hold the cred",
        ),
        ("tcp://0.0.0.0:8786", "without TLS"),
        ("tcp://localhost:8786", "without TLS"),  # the name may lead anywhere
        ("tcp://hub.example.com", "without TLS"),
        ("ws://127.0.0.1:8786", "by tls:// or tcp://"),
        ("inproc://127.0.0.1:8786", "by tls:// or tcp://"),
        ("127.0.0.1:8786", "is not where a scheduler can be"),
        ("tls://127.0.0.1:99999", "is not where a scheduler can be"),
        ("tls://me@hub:8786", "is not where a scheduler can be"),
        ("tls://hub:8786", "scheduler_ca and scheduler_cert and scheduler_key are not set"),
        (None, "no scheduler is named"),
    ],
)
def test_any_other_one_is_refused_with_why(text, why):
    with pytest.raises(UsageError) as refused:
        address_of(config(text))
    assert why in refused.value.message


def test_certificates_have_to_fit_and_a_key_is_no_business_of_others(files):
    ours = files / "ours"
    assert str(address_of(config("tls://hub", ours))) == "tls://hub:8786"
    with pytest.raises(ConfigError, match="key values mismatch"):
        address_of(replace(config("tls://hub", ours), scheduler_key=ours / "coordinator.key"))
    with pytest.raises(ConfigError, match="scheduler_ca cannot be used"):
        address_of(replace(config("tls://hub", ours), scheduler_ca=ours / "worker.key"))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        address_of(replace(config("tls://hub", ours), scheduler_key=ours / "none.key"))
    with pytest.raises(ConfigError, match="scheduler_key is not set"):
        address_of(replace(config("tls://hub", ours), scheduler_key=None))
    (ours / "coordinator.key").chmod(0o644)
    with pytest.raises(ConfigError, match="every user of this machine may read"):
        address_of(config("tls://hub", ours, "coordinator"))
    words = ["openssl", "ec", "-in", "worker.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"]
    subprocess.run(words, cwd=ours, check=True, capture_output=True, timeout=60)
    with pytest.raises(ConfigError, match="passphrase"):
        address_of(replace(config("tls://hub", ours), scheduler_key=ours / "locked.key"))


def test_a_scheduler_that_does_not_answer_is_an_error_in_words():
    address = address_of(config(f"tcp://127.0.0.1:{free_port()}"))
    said = []
    with pytest.raises(SchedulerUnreachable, match=r"no scheduler answers at tcp://127.0.0.1:.*: Connection refused"):
        knock(address, 0.1, said.append)
    assert said == ["Connection refused"]


def test_a_server_of_another_authority_is_refused_at_once(files):
    port = free_port()
    words = [
        "openssl",
        "s_server",
        "-port",
        str(port),
        "-cert",
        "worker.pem",
        "-key",
        "worker.key",
        "-CAfile",
        "ca.pem",
        "-Verify",
        "1",
        "-quiet",
    ]
    with subprocess.Popen(words, cwd=files / "theirs", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            with pytest.raises(SchedulerUnreachable, match=r"no TLS with the scheduler at .*: .*certificate"):
                knock(address_of(config(f"tls://127.0.0.1:{port}", files / "ours")), 60.0)
        finally:
            server.kill()


def test_tags_of_two_parts_ask_for_a_worker_and_the_others_are_for_waves():
    assert needs.needs_of(["canary", "region=eu", "tier=gold", "=x", "a=b=c"]) == {"region=eu", "tier=gold"}
    assert needs.read_resources(["region=eu,tier=gold", "net=1 net=2"]) == {"region=eu", "tier=gold", "net=1", "net=2"}
    with pytest.raises(UsageError, match="'eu' is no resource"):
        needs.read_resources(["eu"])
    asked = {"a": frozenset(), "b": frozenset({"region=eu"}), "c": frozenset({"region=us"})}
    assert needs.unmet(asked, [frozenset({"region=eu", "x=y"})]) == {frozenset({"region=us"}): ["c"]}
    assert needs.unmet(asked, []) == {needed: [name] for name, needed in asked.items()}
    assert read_wish("tag:region=eu").tag == read_wish("eu=tag:region=eu").tag == "region=eu"


def test_what_a_worker_says_of_a_failure_shows_no_password():
    sent = {"kind": "Error", "message": "password=geheim", "fingerprint": "f", "hint": "postgresql://u:geheim@h/d"}
    failure = wire.read_outcome(json.dumps({"target": "t", "verdict": "failed", "failure": sent})).failure

    assert (failure.message, failure.hint) == ("password=***", "postgresql://u:***@h/d")


LARGE = 3_000_000


def test_what_a_worker_says_is_cut_where_it_is_long():
    """As a message of PostgreSQL's is: what it says is shown and kept, and control characters are written longer."""
    long = "\x01" * LARGE
    sent = dict.fromkeys((field.name for field in fields(Failure)), long)
    outcome = Outcome("t", Verdict.FAILED, (long,), 0.5, None, long, long, long)
    told = wire.read_outcome(json.dumps({**json.loads(wire.write(outcome)), "failure": sent}))
    stands = wire.read_standing(wire.write(Standing("t", Kind.ODD, long, (long,), (long,))))
    report = wire.read_report(json.dumps({"wrong": [long], "count": 1, "error": long, "other": [long]}))

    for text in [
        *(getattr(told.failure, name) for name in sent),
        *told.migrations, told.blocker, told.worker, told.where,
        stands.at, *stands.pending, *stands.why,
        *report.wrong, report.error, *report.other,
    ]:  # fmt: skip
        assert len(text) < 11_000
        assert text.endswith(" more characters)")
    worker = Crew(None, 0.0, {})._worker("tls://h", {"name": long}, 0.0)
    assert len(worker.name) < 1_000


def test_a_password_is_blanked_out_before_a_long_text_is_cut():
    text = f"{'x' * 9_970} postgresql://me:geheim@h/d {'x' * LARGE}"  # the cut is within the password
    sent = {"kind": "Error", "message": text, "fingerprint": "f"}
    told = wire.read_outcome(json.dumps({"target": "t", "verdict": "failed", "failure": sent, "blocker": text}))

    assert "geh" not in told.failure.message
    assert "geh" not in told.blocker


@pytest.mark.parametrize("seconds", [-1, -0.001, 1e300, 1e12, 10**15])
def test_a_time_that_no_order_takes_is_refused(seconds):
    with pytest.raises(ValueError, match=r"it took .* seconds"):
        wire.read_outcome(json.dumps({"target": "t", "verdict": "done", "seconds": seconds}))


@pytest.mark.parametrize("count", [-5, 0])
def test_reasons_that_are_fewer_than_those_that_are_told_are_refused(count):
    with pytest.raises(ValueError, match="reasons"):
        wire.read_report(json.dumps({"wrong": ["why"], "count": count}))


def test_orders_and_outcomes_are_the_same_behind_the_wire():
    options = Options(history_owners=("dba",), role="owner", versions={"x": "1.0"})
    order = Order("t", Wanted(to="1_a", files="f"), Run("r", "me", "here"), options, patient=True)
    failure = Failure("Error", "no", "print", sqlstate="22012")
    outcome = Outcome("t", Verdict.BLOCKED, ("1_a", "2_b"), 0.5, failure, "pid 7", "vm:1")
    standing = Standing("t", Kind.ODD, "1_a", ("2_b",), ("why",), ("1_a",))
    question = wire.Question(("t", "u"), options)
    assert wire.read_order(wire.write(order)) == order
    assert wire.read_question(wire.write(question)) == question
    assert wire.read_outcome(wire.write(outcome)) == outcome
    assert wire.read_outcome(wire.write(replace(outcome, failure=None))).failure is None
    assert wire.read_standing(wire.write(standing)) == standing


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"target": "t"}', '{"target": "t", "verdict": "done", "more": 1}'])
def test_what_is_no_outcome_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        wire.read_outcome(text)


WRONG = {
    str: (5, True, [], {}, "\0", "\ud800"),
    list: (5, "x", {}, [1], [None], [["x"]]),
    float: ("x", True, None, [], float("nan"), 1e400),
    int: ("x", True, None, [], 10**40),
}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (Outcome("t", Verdict.FAILED, ("a",), 0.5, Failure("Error", "no", "p"), "b", "w", "m"), wire.read_outcome),
        (Standing("t", Kind.ODD, "a", ("b",), ("why",), ("a",), "p", ("a",), "m"), wire.read_standing),
        (wire.Report("f", ("why",), 1, "error", ("role",)), wire.read_report),
    ],
)
def test_what_a_worker_tells_has_its_types_or_is_refused(value, read):
    told = json.loads(wire.write(value))
    assert read(json.dumps(told)) == value
    wrong = [{**told, name: other} for name, given in told.items() for other in WRONG.get(type(given), ())]
    wrong += [{**told, "failure": {**told["failure"], "message": other}} for other in WRONG[str] if "failure" in told]
    for text in [*map(json.dumps, wrong), "", "[]", "5", "null", "[" * 100_000]:
        with pytest.raises(ValueError, match=r"."):
            read(text)


@pytest.mark.parametrize(
    "other",
    [
        {"target": 5},
        {"patient": "x"},
        {"run": {"run_id": 5, "username": "u", "hostname": "h"}},
        {"wanted": {"of_run": 5}},
        {"options": {"lock_timeout": "0; DROP TABLE t"}},
        {"options": {"lock_timeout": True}},
        {"options": {"durable": 5}},
        {"options": {"apart": "x"}},
        {"options": {"schema": None}},
    ],
)
def test_an_order_has_its_types_or_is_refused(other):
    told = json.loads(wire.write(Order("t", Wanted(), Run("r"), Options())))
    wire.read_order(json.dumps(told))
    with pytest.raises(ValueError, match=r"no (Order|Run|Wanted|Options): "):
        wire.read_order(json.dumps(told | other))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"workers": []},
        {"workers": {}, "sqlmigrate": 5},
        *({"workers": {"a": told}} for told in (5, {"last_seen": "x"}, {"resources": 5}, {"sqlmigrate": "x"})),
    ],
)
def test_what_a_scheduler_answers_is_an_error_in_words_if_it_is_none(monkeypatch, answer):
    crew = Crew(SimpleNamespace(scheduler=SimpleNamespace(identity=lambda **_: None)), 0.0, {})
    monkeypatch.setattr(Crew, "inquire", lambda *_, **__: answer)

    with pytest.raises(Error, match="the scheduler's answer is none"):
        crew.look()


OTHER = [wire.write(Standing("other", Kind.CURRENT))]
TWICE = [wire.write(Standing("t", Kind.CURRENT))] * 2


@pytest.mark.parametrize("told", [["{}"], [], OTHER, TWICE])
def test_where_targets_stand_is_not_known_if_a_worker_tells_nonsense(told):
    crew = Crew(Dask(), 60.0, {"t": frozenset()})
    crew.client.submit = lambda _f, _call, number, *_texts, **_how: (
        crew._heard((0.0, [number, json.dumps(told)])) or Handle(number)
    )

    assert [(item.target, item.kind) for item in crew.standings()] == [("t", Kind.UNREACHABLE)]


def test_other_versions_are_named_with_whoever_has_them():
    mine = versions.ours()
    versions.require_same({"the scheduler": mine})
    with pytest.raises(UsageError) as refused:
        versions.require_same(
            {"the scheduler": mine | {"python": "3.9"}, "worker vm:1": mine | {"sqlmigrate": "9.9"}, "worker vm:2": {}}
        )
    assert f"the scheduler has python 3.9, and here is {mine['python']}" in refused.value.message
    assert "worker vm:1 has sqlmigrate 9.9, and here is" in refused.value.message
    assert "worker vm:2 has dask of an unknown version" in refused.value.message


def test_a_coordinator_needs_no_variable_of_the_workers(monkeypatch):
    monkeypatch.delenv("NOWHERE_URL", raising=False)
    listed = Listed(
        {
            "a": Target("a", url_env="NOWHERE_URL", tags=("region=eu",)),
            "b": Target("b", url="postgresql://127.0.0.1:1/b"),
            "c": Target("c", service="s", cluster="hub"),
        },
        "sqlmigrate",
    )
    assert [listed.cluster(name) for name in listed] == ["NOWHERE_URL", "127.0.0.1:1", "hub"]
    assert ("a" in listed, "z" in listed, len(listed), listed["b"].database) == (True, False, 3, "b")
    with pytest.raises(ConfigError, match="NOWHERE_URL"):
        listed.place("a")
    with pytest.raises(ConfigError, match="not in the list of targets here"):
        listed.place("z")
    assert [problem.message for problem in listed.wrong(["a", "b", "z"])] == [
        "z: it is not in the list of targets here",
        "a: the variable NOWHERE_URL, which is to hold its URL, is not set",
    ]


@dataclass
class Dask:
    """A client of Dask's that hands nothing out: its tasks end as a test says."""

    handles: list = field(default_factory=list)

    def submit(self, _function, _call, number, *_texts, **_how):
        self.handles.append(Handle(number))
        return self.handles[-1]


@dataclass
class Handle:
    number: str
    status: str = "pending"
    released: bool = False

    def add_done_callback(self, call):
        self.call = call

    def release(self):
        self.released = True

    def end(self, status):
        self.status = status
        self.call(self)


@pytest.fixture
def asked():
    """A crew that was asked to bring a target of region eu somewhere: it, Dask's handle, the future, who is lost."""
    crew, lost = Crew(Dask(), 0.0, {"t": frozenset({"region=eu"})}), []
    crew._lost = lost.append
    future = crew.submit(Order("t", Wanted(), Run("r"), Options()))
    return crew, crew.client.handles[0], future, lost


def test_what_is_told_first_counts_and_a_second_time_is_none(asked):
    crew, handle, future, lost = asked
    for verdict in (Verdict.DONE, Verdict.FAILED):
        crew._heard((0.0, [handle.number, wire.write(Outcome("t", verdict))]))
    handle.end("cancelled")  # it was released

    assert (future.result(0).verdict, handle.released, lost) == (Verdict.DONE, True, [])


def test_what_became_of_another_target_is_refused(asked):
    crew, handle, future, _ = asked
    crew._heard((0.0, [handle.number, wire.write(Outcome("other", Verdict.DONE))]))

    with pytest.raises(ValueError, match="another target"):
        future.result(0)


@pytest.mark.parametrize(
    ("status", "words"),
    [("error", "the workers that had it were lost"), ("finished", "what became of it was not told")],
)
def test_an_order_of_which_nobody_tells_is_an_error_in_words(asked, status, words):
    _, handle, future, lost = asked
    handle.end(status)

    with pytest.raises(Error, match=words):
        future.result(0)
    assert lost == []


def test_orders_that_are_taken_away_mean_that_the_scheduler_is_lost(asked):
    _, handle, future, lost = asked
    handle.end("cancelled")

    assert (future.done(), lost) == (False, [Stop.SCHEDULER_LOST])


def test_an_order_that_nobody_may_have_any_more_is_given_up_in_time(asked):
    crew, _, future, _ = asked
    crew._give_up([frozenset()])
    crew._give_up([frozenset({"region=eu"})])
    crew._give_up([frozenset()])
    assert not future.done()
    wait_until(lambda: crew._give_up([frozenset()]) or future.done())

    with pytest.raises(Error, match="no worker is left with region=eu"):
        future.result(0)


def test_the_tasks_that_may_be_named_are_there():
    assert all(callable(getattr(tasks, name)) for name in guard.TASKS)


def test_a_process_that_is_narrow_makes_nothing_of_a_pickle_but_our_tasks():
    harmless, harmful = pickle.dumps(["text", 1]), pickle.dumps(subprocess.run)
    named = pickle.dumps(tasks.carry_out)
    program = (
        "import pickle, sys; from sqlmigrate.fleet.machines import guard, tasks; guard.narrow()\n"
        f"assert pickle.loads({harmless!r}) == ['text', 1] and pickle.loads({named!r}) is tasks.carry_out\n"
        f"try: pickle.loads({harmful!r})\nexcept guard.Refused as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "subprocess.run is none of our tasks\n"
