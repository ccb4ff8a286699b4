"""Goal: a newcomer's one command brings up everything, can be repeated at any time, and leaves nothing when told to go.

Method: run deploy/quickstart for real, in a state directory of its own, as a newcomer would: paste what it prints, kill
what it started, run it again. The tests tell one story and stand in its order.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

kDeploy = Path(__file__).resolve().parents[2] / "deploy"
sys.path.insert(0, str(kDeploy))

from servers import wait_until  # noqa: E402

kFirstRunDeadlineSeconds = 900  # builds
kLaterRunDeadlineSeconds = 20


class Newcomer:
    """Calls the quickstart and keeps what it printed last."""

    def __init__(self, state: Path):
        self.state = state
        self.printed = ""

    def quickstart(self, *arguments, deadline_s=60):
        environment = {**os.environ, "SEALSTREAM_QUICKSTART_DIR": str(self.state)}
        done = subprocess.run([str(kDeploy / "quickstart"), *arguments], env=environment, capture_output=True, text=True,
                              timeout=deadline_s)
        self.printed = done.stdout
        self.complained = done.stderr
        return done.returncode

    def status(self):
        self.quickstart("--status", "--json")
        return json.loads(self.printed)

    def printed_line(self, program):
        return next(line for line in self.printed.splitlines() if re.match(rf"(echo .*\| )?{program} ", line))

    def ask(self, sql):
        with psycopg.connect(self.status()["database"]) as session:
            return session.execute(sql).fetchall()


@pytest.fixture(scope="module")
def newcomer():
    with tempfile.TemporaryDirectory(prefix="sealstream-quickstart-") as directory:
        os.chmod(directory, 0o711)  # the user postgres must pass
        someone = Newcomer(Path(directory) / "state")
        try:
            yield someone
        finally:
            someone.quickstart("--down", "--purge", deadline_s=120)


def running_commands():
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            yield (directory / "cmdline").read_text(errors="replace")
        except OSError:
            pass  # it ended meanwhile


def paste(line):
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60).stdout


def test_nothing_is_there_before_the_first_run(newcomer):
    assert newcomer.quickstart("--status") == 1
    assert "run deploy/quickstart first" in newcomer.complained
    assert newcomer.quickstart("--down") == 0
    assert not newcomer.state.exists()


def test_the_first_run_seals_over_a_thousand_events_of_all_six_families(newcomer):
    assert newcomer.quickstart(deadline_s=kFirstRunDeadlineSeconds) == 0, newcomer.printed + newcomer.complained
    rows = dict(newcomer.ask("SELECT family, count(*) FROM audit.ledger GROUP BY family"))
    assert set(rows) == {"llm_call", "tool_invocation", "escalation", "api_key", "admin", "auth"}
    assert sum(rows.values()) >= 1000


def test_status_names_everything_and_the_database_opens_as_the_auditor(newcomer):
    status = newcomer.status()
    assert set(status) == {"brokers", "topic", "database", "metrics_url", "config", "pid"}
    assert newcomer.ask("SELECT current_user") == [("audit_auditor",)]
    with urllib.request.urlopen(status["metrics_url"], timeout=10) as answer:
        assert "sealstream_events_persisted_total" in answer.read().decode()
    assert Path(status["config"]).exists()
    os.kill(status["pid"], 0)


def test_the_pasted_line_publishes_an_event_that_the_pasted_query_shows(newcomer):
    newcomer.quickstart("--status")
    publish, query = newcomer.printed_line("kcat"), newcomer.printed_line("psql")
    before = paste(query)
    paste(publish)
    after = wait_until(lambda: (shown := paste(query)) != before and shown, 15, "the published event in the query")
    assert re.search(r"family +\| auth", after) and re.search(r"action +\| login", after)


def questions():
    """(query, answer) of each question in the README's section Ask."""
    section = re.search(r"^## Ask\n(.*?)^## ", (kDeploy.parent / "README.md").read_text(), re.DOTALL | re.MULTILINE)[1]
    return re.findall(r"```sql\n(.*?)```\n\n```\n(.*?)```", section, re.DOTALL)


def test_the_questions_of_the_readme_have_these_answers(newcomer):
    assert len(questions()) == 5
    database = newcomer.status()["database"]
    for query, answer in questions():
        told = subprocess.run(["psql", "-X", database, "-c", query], capture_output=True, text=True, check=True).stdout
        assert [line.rstrip() for line in told.strip().splitlines()] == answer.strip().splitlines(), told


def test_every_view_and_every_type_of_anomaly_has_rows_to_look_at(newcomer):
    views = [view for view, in newcomer.ask("SELECT viewname FROM pg_views WHERE schemaname = 'audit' ORDER BY 1")]
    assert "gateway_audit_events" in views
    empty = [view for view in [*views, "usage_records", "api_keys"] if newcomer.ask(f"SELECT 1 FROM audit.{view} LIMIT 1") == []]
    assert empty == []
    types = {kind for kind, in newcomer.ask("SELECT DISTINCT anomaly_type FROM audit.api_key_anomalies")}
    assert len(types) == 6


def test_secrets_lie_in_files_of_their_owner_and_nowhere_else(newcomer):
    secret_files = [*(newcomer.state / "passwords").iterdir(), newcomer.state / "keyring.yaml"]
    assert len(secret_files) == 7
    assert [oct(file.stat().st_mode & 0o777) for file in secret_files] == ["0o600"] * 7
    secrets = [word for file in secret_files for word in re.findall(r"\b[0-9a-f]{32,}\b", file.read_text())]
    assert len(secrets) == 7
    seen = [newcomer.state / "sealstream.log", newcomer.state / "sealstream.yaml", newcomer.state / "postgres" / "server.log",
            newcomer.state / "kafka" / "server.log", Path(f"/proc/{newcomer.status()['pid']}/cmdline")]
    for file in seen:
        text = file.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], file


def test_a_second_run_is_quick_and_publishes_nothing_again(newcomer):
    pid, before = newcomer.status()["pid"], newcomer.ask("SELECT count(*) FROM audit.ledger")
    begin = time.monotonic()
    assert newcomer.quickstart() == 0, newcomer.complained
    assert time.monotonic() - begin < kLaterRunDeadlineSeconds
    assert newcomer.ask("SELECT count(*) FROM audit.ledger") == before
    assert newcomer.status()["pid"] == pid


def test_a_killed_sealstream_is_told_and_started_again(newcomer):
    pid = newcomer.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: newcomer.quickstart("--status") == 1, 10, "the end of sealstream in --status")
    assert "not running: sealstream" in newcomer.complained
    assert newcomer.quickstart() == 0, newcomer.complained
    assert newcomer.quickstart("--status") == 0
    assert newcomer.status()["pid"] != pid


def test_down_stops_everything_and_the_next_run_finds_the_data(newcomer):
    before = newcomer.ask("SELECT tenant_id, seq, checksum FROM audit.chain_heads ORDER BY tenant_id")
    assert newcomer.quickstart("--down") == 0
    assert newcomer.quickstart("--status") == 1
    assert "not running: PostgreSQL, Kafka, sealstream" in newcomer.complained
    assert newcomer.status()["pid"] is None
    begin = time.monotonic()
    assert newcomer.quickstart() == 0, newcomer.complained
    assert time.monotonic() - begin < kLaterRunDeadlineSeconds
    assert newcomer.ask("SELECT tenant_id, seq, checksum FROM audit.chain_heads ORDER BY tenant_id") == before


def test_purge_leaves_no_file_and_no_process(newcomer):
    data = Path(json.loads((newcomer.state / "postgres" / "server.json").read_text())["data"])
    assert newcomer.quickstart("--down", "--purge") == 0
    assert not newcomer.state.exists() and not data.exists()
    assert not [command for command in running_commands() if str(newcomer.state) in command]
