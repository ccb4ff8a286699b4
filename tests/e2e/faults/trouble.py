"""What befalls a deployment that has a producer: each function returns when the fault has just ended. `ingester` is one that
must notice it."""

import resource
import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg
from deployment import wait_until
from recovery import wait_for_more

kSoon_s = 60


def risen(ingester, name, **labels):
    """A condition: that the counter is higher than now."""
    before = ingester.metric(name, **labels)
    return lambda: ingester.metric(name, **labels) > before


def wait_not_ready(ingester, check, words):
    """Until /readyz fails with this check alone, in one sentence that holds these words."""
    def failing():
        return ingester.get("/readyz")[0] == 503 and words in ingester.failing_checks().get(check, "")

    ingester.wait(failing, kSoon_s, f"to fail the check {check} with the words: {words}")
    why = ingester.failing_checks()[check]
    assert "\n" not in why and "password-of-" not in why
    assert ingester.get("/livez")[0] == 200
    assert ingester.metric("sealstream_ready") == 0
    return why


# --- Kafka ---------------------------------------------------------------------------------------------------------------


def broker_killed(kafka, ingester):
    absence = risen(ingester, "sealstream_kafka_errors_total")
    kafka.kill()
    ingester.wait(absence, kSoon_s, "to count Kafka's absence")
    assert ingester.get("/livez")[0] == 200
    kafka.start()


def broker_paused(kafka, ingester):
    """For so long that requests to it time out: it keeps its connections and answers nothing."""
    silence = risen(ingester, "sealstream_kafka_errors_total")
    kafka.pause()
    try:
        ingester.wait(silence, kSoon_s, "to count Kafka's silence")
    finally:
        kafka.resume()


# --- PostgreSQL ----------------------------------------------------------------------------------------------------------


def postgres_killed(postgres, ingester):
    postgres.kill()
    ingester.wait(lambda: ingester.get("/readyz")[0] == 503, kSoon_s, "not to be ready while PostgreSQL is down")
    assert list(ingester.failing_checks()) == ["database"]
    assert ingester.get("/livez")[0] == 200, "a database that is away is no reason to kill the ingester"
    postgres.start()


def heads_locked(deployment):
    with psycopg.connect(deployment.uri_for_checker()) as holder:
        holder.execute("LOCK TABLE audit.chain_heads IN ACCESS EXCLUSIVE MODE")
        wait_until(lambda: deployment.writers("wait_event_type = 'Lock'") > 0, kSoon_s, "a batch that waits")


def deadlocked(deployment, *ingesters):
    """A session that locks heads before partitions; an ingester is the one that PostgreSQL ends the wait of."""
    heard = [risen(ingester, "sealstream_db_errors_total", sqlstate_class="40") for ingester in ingesters]
    with psycopg.connect(deployment.uri_for_checker()) as rival:
        rival.execute("SET deadlock_timeout = '1h'")
        rival.execute("SELECT 1 FROM audit.chain_heads FOR UPDATE")
        wait_until(lambda: deployment.writers("wait_event_type = 'Lock'") > 0, kSoon_s, "a batch that waits for a head")
        rival.execute("SELECT 1 FROM audit.partitions FOR UPDATE")
        wait_until(lambda: any(hears() for hears in heard), kSoon_s, "an ingester that hears that it was in a deadlock")


def disk_full(cluster, ingester):
    """cluster: a FillableCluster. Where its WAL needs another segment it ends all sessions, or itself."""
    cluster.fill()
    ingester.wait(lambda: "No space left on device" in ingester.failing_checks().get("database", ""), kSoon_s,
                  "to say that the disk is full")
    assert ingester.get("/livez")[0] == 200
    cluster.free()


def database_read_only(deployment, ingester):
    deployment.as_superuser(f"ALTER DATABASE {deployment.database} SET default_transaction_read_only = on")
    deployment.end_writers()
    wait_not_ready(ingester, "database", "read-only")
    deployment.as_superuser(f"SET default_transaction_read_only = off; ALTER DATABASE {deployment.database}"
                            " RESET default_transaction_read_only")
    deployment.end_writers()


def too_many_connections(deployment, ingester):
    deployment.as_superuser("ALTER ROLE audit_writer CONNECTION LIMIT 0")
    try:
        deployment.end_writers()
        wait_not_ready(ingester, "database", "too many connections")
    finally:
        deployment.as_superuser("ALTER ROLE audit_writer CONNECTION LIMIT -1")


# --- the network between ingester and PostgreSQL -------------------------------------------------------------------------


def cut_at_commit(proxy, moment):
    """moment: as Proxy.cut_at_commit."""
    proxy.cut_at_commit = moment
    wait_until(lambda: proxy.cut_at_commit is None, kSoon_s, "a commit to cut")


def network_slow(proxy, deployment):
    proxy.delay_s = 0.1
    wait_for_more(deployment, 1_000, "over a slow network")
    proxy.delay_s = 0.0


def network_silent(proxy, ingester):
    """Until it ends the connections; the ingester is not ready meanwhile, and alive."""
    proxy.swallows = True
    ingester.wait(lambda: "database" in ingester.failing_checks(), kSoon_s, "to say that the database does not answer")
    assert ingester.get("/livez")[0] == 200
    proxy.swallows = False
    proxy.cut()


def lane_hangs(proxy, deployment, ingester):
    """The network swallows one of its commits, and nobody tells it."""
    proxy.hang_at_commit = True
    wait_until(lambda: not proxy.hang_at_commit, kSoon_s, "a commit to swallow")
    wait_for_more(deployment, 3_000, "by the other lanes")
    assert ingester.get("/livez")[0] == 200
    proxy.cut()


# --- the ingester itself -------------------------------------------------------------------------------------------------


def no_descriptor_left(deployment, ingester):
    """So that PostgreSQL's connections cannot be opened again, and nobody can ask how it is."""
    said = ingester.log.read_text().count("Too many open files")
    soft, hard = resource.prlimit(ingester.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(ingester.pid, resource.RLIMIT_NOFILE, (3, hard))
    deployment.end_writers()
    wait_until(lambda: ingester.log.read_text().count("Too many open files") > said, kSoon_s, "it to say so")
    resource.prlimit(ingester.pid, resource.RLIMIT_NOFILE, (soft, hard))


def told_to_reload(ingester, text, event, words):
    """By SIGHUP, with that text as its configuration, until it says so."""
    before = ingester.lines()
    ingester.config.write_text(text)
    ingester.signal(signal.SIGHUP)
    ingester.wait(lambda: any(line["event"] == event and words in line["msg"] for line in ingester.log_events()[before:]),
                  kSoon_s, f"to say: {words}")


def scraped_without_a_pause(deployment, ingester):
    """By sixteen scrapers that ask again at once, for as long as 3,000 records take; the codes that they were answered."""
    goal = deployment.sealed() + 3_000

    def scrape():
        answers = []
        while deployment.sealed() < goal:
            answers += [ingester.get("/metrics")[0] for _ in range(10)]
        return answers

    with ThreadPoolExecutor(16) as scrapers:
        storm = [scrapers.submit(scrape) for _ in range(16)]
        return [answer for scraper in storm for answer in scraper.result(kSoon_s)]
