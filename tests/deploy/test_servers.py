"""Goal: the servers that tests and the quickstart stand on behave as they say.

Method: start each for real in a temporary directory, end it in every way it can end, and look from outside:
with clients of their own, at the process table and at the file system.
"""

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

kDeploy = Path(__file__).resolve().parents[2] / "deploy"
sys.path.insert(0, str(kDeploy))

from local import kafka_broker  # noqa: E402
from local.kafka_admin import KafkaAdminError  # noqa: E402
from local.process import Process  # noqa: E402
from servers import KafkaBroker, PostgresCluster, StartFailed, free_port, wait_until  # noqa: E402


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with PostgresCluster(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


def kcat(broker, *arguments, text=""):
    done = subprocess.run(["kcat", "-b", broker.address, *arguments], input=text, capture_output=True, text=True,
                          timeout=60, check=True)
    return done.stdout


def listening_addresses(pid):
    """Local addresses of the process's listening TCP sockets, as /proc/net/tcp and tcp6 print them."""
    inodes = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return [row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]


def test_postgres_keeps_what_was_committed_and_its_port_when_it_is_killed(cluster):
    port = cluster.port
    cluster.psql("CREATE TABLE kept (value int); INSERT INTO kept VALUES (7)")
    cluster.kill()
    assert not cluster.running()
    cluster.start()
    assert cluster.psql("SELECT value FROM kept; DROP TABLE kept") == "7"
    assert cluster.port == port


def test_postgres_writes_durably_and_listens_on_loopback_only(cluster):
    assert cluster.psql("SHOW fsync; SHOW data_checksums; SHOW full_page_writes").split() == ["on", "on", "on"]
    assert listening_addresses(cluster.pid) == ["0100007F"]


def test_postgres_lets_nobody_in_without_the_password(cluster):
    for password in ("", "wrong"):
        environment = {**os.environ, "PGPASSWORD": password, "PGPASSFILE": "/dev/null"}
        done = subprocess.run(["psql", "-w", "-h", cluster.host, "-p", str(cluster.port), "-U", "postgres", "-c", "SELECT 1"],
                              env=environment, capture_output=True, text=True)
        assert done.returncode == 2, done.stdout
        assert "password" in done.stderr


def test_psql_passes_variables_with_quotes_and_backslashes(cluster):
    value = "it's \\ and \"so\""
    assert cluster.psql("SELECT :'value'", variables={"value": value}) == value


def test_psql_raises_with_the_servers_message(cluster):
    with pytest.raises(subprocess.CalledProcessError) as raised:
        cluster.psql("SELECT 1/0")
    assert "division by zero" in raised.value.stderr


def test_a_later_run_finds_a_server_that_outlived_its_starter(tmp_path):
    started = PostgresCluster(tmp_path / "postgres", {"max_connections": 17}, die_with_owner=False)
    started.start()
    try:
        found = PostgresCluster(tmp_path / "postgres", die_with_owner=False)
        assert found.running() and found.pid == started.pid and found.port == started.port
        found.stop()
        assert not started.running()
        found.start()
        assert found.psql("SHOW max_connections") == "17"
    finally:
        found = PostgresCluster(tmp_path / "postgres")
        found.stop()
        data = found.data
        found.remove()
    assert not (tmp_path / "postgres").exists() and not data.exists()


def test_a_start_that_fails_says_what_the_server_said(tmp_path):
    broken = PostgresCluster(tmp_path / "postgres", {"max_connections": "many"})
    with pytest.raises(StartFailed, match="max_connections"):
        broken.start()
    assert not broken.running()
    broken.remove()


def test_the_broker_keeps_records_over_a_kill_and_stamps_them_itself(broker):
    assert broker.create_topic("kept", 3)
    kcat(broker, "-P", "-t", "kept", "-K", "=", "-X", "acks=all", text="acme=one\nacme=two\n")
    broker.kill()
    broker.start()
    lines = kcat(broker, "-C", "-t", "kept", "-e", "-q", "-f", "%k %s %T\\n").splitlines()
    assert [line.split()[:2] for line in lines] == [["acme", "one"], ["acme", "two"]]
    assert all(int(line.split()[2]) > 0 for line in lines)


def test_a_topic_is_made_once_with_the_partitions_asked_for(broker):
    assert broker.create_topic("once", 12)
    assert not broker.create_topic("once", 12)
    assert broker.partition_counts()["once"] == 12
    living, leaders = broker.view()
    assert [leader for (topic, _), leader in leaders.items() if topic == "once"] == 12 * list(living)
    with pytest.raises(KafkaAdminError, match="not a name"):
        broker.create_topic("not a name")


def test_the_broker_listens_on_loopback_only(broker):
    addresses = listening_addresses(broker.pid)
    assert addresses and set(addresses) <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_a_cluster_id_never_looks_like_an_option(monkeypatch):
    drawn = iter([uuid.UUID(int=0xF8 << 120), uuid.UUID(int=7)])  # the first begins with a dash
    monkeypatch.setattr(kafka_broker.uuid, "uuid4", lambda: next(drawn))
    assert kafka_broker._cluster_id() == "AAAAAAAAAAAAAAAAAAAABw"
    assert next(drawn, None) is None


def test_a_paused_server_stands_still_until_it_resumes(cluster):
    def state():
        return Path(f"/proc/{cluster.pid}/stat").read_text().rpartition(")")[2].split()[0]

    cluster.pause()
    try:
        wait_until(lambda: state() == "T", 10, "the server to stand still")
    finally:
        cluster.resume()
    assert cluster.psql("SELECT 1") == "1"


@pytest.fixture
def run_beside_servers():
    """Calls `servers.py run`; its temporary files go with the test, even those of a runner that was killed."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o711)  # the user postgres must pass

        def run(*command, options=("--postgres",)):
            return subprocess.Popen([sys.executable, str(kDeploy / "servers.py"), "run", *options, "--", *command],
                                    stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": scratch})

        yield run


def test_run_hands_over_the_addresses_and_the_exit_code(run_beside_servers):
    script = 'kcat -L -b "$SEALSTREAM_TEST_KAFKA" >/dev/null && psql -Atc "SELECT 7" "$SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI" && exit 42'
    runner = run_beside_servers("bash", "-c", script, options=("--postgres", "--kafka"))
    assert runner.communicate(timeout=120)[0] == "7\n"
    assert runner.returncode == 42


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_run_leaves_no_server_behind_whatever_ends_it(run_beside_servers, number):
    runner = run_beside_servers("bash", "-c", "echo ready; exec tail -f /dev/null")
    assert runner.stdout.readline() == "ready\n"
    servers = Process(runner.pid, 0).children()
    assert len(servers) == 2  # PostgreSQL and the command
    runner.send_signal(number)
    runner.wait(timeout=60)
    for server in servers:
        server.wait_end(60)


def test_ports_lie_below_the_range_of_outgoing_connections():
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < lowest_outgoing for _ in range(50))


def test_waiting_names_what_did_not_happen():
    with pytest.raises(TimeoutError, match="the moon to fall"):
        wait_until(lambda: False, 0.05, "the moon to fall")
