"""The faults that a soak draws from: of the matrix of tests/RELIABILITY.md, those that a deployment can go on from."""

import signal
from functools import partial

from trouble import (broker_killed, broker_paused, cut_at_commit, database_read_only, deadlocked, disk_full, heads_locked,
                     lane_hangs, network_silent, network_slow, no_descriptor_left, postgres_killed, risen,
                     scraped_without_a_pause, told_to_reload, too_many_connections)

kKafka_s, kGroup_s, kPostgres_s, kSelf_s = 15, 30, 5, 5  # the matrix' bounds of a recovery
kDrain_s = 30
kSoon_s = 60


def pool(stand):
    """Name -> (bound in seconds, what happens). Of a Stand, `one` is never killed: what it takes is that of the whole run."""
    deployment, postgres, kafka, proxy = stand.deployment, stand.postgres, stand.kafka, stand.proxy
    one, two = stand.one, stand.two
    return {
        "broker killed": (kKafka_s, partial(broker_killed, kafka, one)),
        "broker paused": (kKafka_s, partial(broker_paused, kafka, one)),
        "instance killed": (kGroup_s, partial(killed, two, stand)),
        "instance told to end": (kGroup_s, partial(told_to_end, two)),
        "zombie": (kGroup_s, partial(frozen_and_woken, two, stand)),
        "member joins and leaves": (kGroup_s, partial(visits, stand.guest, signal.SIGTERM, stand)),
        "member joins and is killed": (kGroup_s, partial(visits, stand.guest, signal.SIGKILL, stand)),
        "lane hangs": (kGroup_s, partial(lane_hangs, proxy, deployment, two)),
        "PostgreSQL killed": (kPostgres_s, partial(postgres_killed, postgres, one)),
        "PostgreSQL restarted": (kPostgres_s, postgres.restart),
        "backends terminated": (kPostgres_s, deployment.end_writers),
        "heads locked": (kPostgres_s, partial(heads_locked, deployment)),
        "deadlock": (kPostgres_s, partial(deadlocked, deployment, one, two)),
        "disk full": (kPostgres_s, partial(disk_full, postgres, one)),
        "read-only": (kPostgres_s, partial(database_read_only, deployment, one)),
        "too many connections": (kPostgres_s, partial(too_many_connections, deployment, one)),
        "cut before a COMMIT": (kPostgres_s, partial(cut_at_commit, proxy, "before")),
        "cut after a COMMIT": (kPostgres_s, partial(cut_at_commit, proxy, "after")),
        "connections cut": (kPostgres_s, proxy.cut),
        "half-closed to the server": (kPostgres_s, partial(proxy.half_close, "server")),
        "half-closed to the client": (kPostgres_s, partial(proxy.half_close, "client")),
        "network slow": (kPostgres_s, partial(network_slow, proxy, deployment)),
        "network silent": (kPostgres_s, partial(network_silent, proxy, two)),
        "no descriptor left": (kSelf_s, partial(no_descriptor_left, deployment, one)),
        "bad file at SIGHUP": (kSelf_s, partial(told_of_a_bad_file, one)),
        "storm of scrapes": (kSelf_s, partial(stormed, deployment, one)),
    }


def taken_over(deployment):
    """A condition: that every partition was claimed since now."""
    before = deployment.epochs()
    return lambda: all(now > then for then, now in zip(before, deployment.epochs(), strict=True))


def killed(ingester, stand):
    condition = taken_over(stand.deployment)
    ingester.signal(signal.SIGKILL)
    ingester.wait_end()
    ingester.start()
    stand.recovers(condition)


def told_to_end(ingester):
    ingester.signal(signal.SIGTERM)
    assert ingester.wait_end(kDrain_s) == 0
    ingester.start()


def frozen_and_woken(ingester, stand):
    """For so long that the other one takes over."""
    condition = taken_over(stand.deployment)
    learned = [risen(ingester, "sealstream_fenced_commits_total"), risen(ingester, "sealstream_rebalances_total", event="lost")]
    ingester.signal(signal.SIGSTOP)
    stand.recovers(condition)
    ingester.signal(signal.SIGCONT)
    ingester.wait(lambda: any(has() for has in learned), kSoon_s, "to learn what happened")


def visits(guest, end, stand):
    """end: the signal that it leaves by."""
    condition = taken_over(stand.deployment)
    guest.start()
    stand.recovers(condition)
    guest.wait_ready()
    condition = taken_over(stand.deployment)
    guest.signal(end)
    guest.wait_end(kDrain_s)
    stand.recovers(condition)


def told_of_a_bad_file(ingester):
    good = ingester.config.read_text()
    told_to_reload(ingester, "ingest: [", "reload_failed", "what was in force stays")
    told_to_reload(ingester, good, "reloaded", "")


def stormed(deployment, ingester):
    assert set(scraped_without_a_pause(deployment, ingester)) == {200}
