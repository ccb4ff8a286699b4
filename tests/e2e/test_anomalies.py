"""Goal: what the rules about keys find in the sample day reaches the table, the metrics and the status; and a restart in the middle
of it finds the same.

Method: publish the quickstart's samples, whose stories are fixed to the second, and compare with a table of what is in them.
"""

import json
import signal
from datetime import date

import pytest
from deployment import wait_until
from producers import Producer, event
from sample_events import Samples

kDay = date(2026, 11, 24)
kFound = [  # tenant, type, condition, severity, whose, where the window starts
    ("acme", "brute_force", "failures", "medium", "45.83.64.9", "02:40"),
    ("acme", "brute_force", "spray", "medium", "45.83.64.9", "02:00"),
    ("acme", "brute_force", "success", "critical", "45.83.64.9", "02:30"),
    ("acme", "multiple_ips", "addresses", "medium", "key-acme-amara", "03:00"),
    ("acme", "unusual_time", "unusual", "medium", "key-acme-amara", "03:00"),
    ("globex", "high_error_rate", "errors", "medium", "key-globex-invoices", "14:10"),
    ("globex", "high_request_rate", "requests", "medium", "key-globex-invoices", "14:05"),
    ("umbrella-health", "data_exfiltration", "exports", "high", "key-umbrella-crm", "19:00")]
kQuery = """SELECT tenant_id, anomaly_type, details ->> 'condition', severity, coalesce(key_id, host(ip_address)),
                   to_char(window_start AT TIME ZONE 'UTC', 'HH24:MI')
            FROM audit.api_key_anomalies ORDER BY 1, 2, 3"""


def publish(deployment, events):
    with Producer(deployment) as producer:
        for sample in events:
            producer.send(sample["tenantid"], sample)
        producer.flush()


@pytest.fixture(scope="module")
def samples():
    return Samples(1, kDay).events()


def test_every_type_is_found_counted_and_told(deployment, samples):
    ingester = deployment.ingester()
    publish(deployment, samples)
    deployment.wait_sealed(len(samples))
    assert deployment.ask(kQuery) == kFound
    for _, kind, _, severity, *_ in kFound:
        rows = sum(found[1] == kind and found[3] == severity for found in kFound)
        assert ingester.metric("sealstream_api_key_anomalies_total", type=kind, severity=severity) == rows
    assert ingester.metric("sealstream_api_key_anomalies_total") == len(kFound)
    status = json.loads(deployment.sealstream("status", "--json", config=ingester.config))["database"]
    assert status["open_anomalies"] == len(kFound) and status["open_windows"] > 0 and status["late_events"] == 0
    deployment.check()


def test_a_kill_in_the_middle_of_the_day_changes_nothing(deployment, samples):
    ingester = deployment.ingester()
    half = next(number for number, sample in enumerate(samples) if sample["time"] > "2026-11-24T03:10")
    publish(deployment, samples[:half])
    deployment.wait_sealed(half)
    ingester.signal(signal.SIGKILL)
    ingester.wait_end()
    ingester.start()
    publish(deployment, samples[half:])
    deployment.wait_sealed(len(samples))
    assert deployment.ask(kQuery) == kFound
    deployment.check()


def test_an_event_behind_its_closed_minute_is_counted_and_judged_by_nobody(deployment, samples):
    ingester = deployment.ingester()
    publish(deployment, samples)
    late = next(sample for sample in samples if sample["type"] == "audit.api_key.used.v1")
    publish(deployment, [event(late["tenantid"], family="api_key", action="used", time=late["time"], data=late["data"])])
    deployment.wait_sealed(len(samples) + 1)
    wait_until(lambda: ingester.metric("sealstream_late_events_total") == 1, 10, "the late event in the metrics")
    assert deployment.ask("SELECT sum(late_events)::int FROM audit.chain_heads") == [(1,)]
    assert deployment.ask(kQuery) == kFound
