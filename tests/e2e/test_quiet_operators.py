"""Goal: a secret that an operator puts where none belongs, or that lies in the files where they do belong, is said by nobody: not by
a message, not by print-config, not by a log (I12); and a process that dies leaves no core in which all of them would stand.

Method: for each line of schemas/secret-rules.tsv a secret in every key of the configuration, in the environment, in files that are
no YAML, in the secret files, and in every argument; then everything that the commands print is searched. Nothing is connected to
but a port where nobody listens. A core: the program and another one die of the same signal.
"""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from deployment import kBinary, kKeyring
from local.process import free_port, wait_until
from planted import Plants

kPlants = Plants()
kRoles = ("writer", "auditor", "operator", "eraser", "rebuilder", "migrator")


def run(*words, **environment):
    """(what was asked, what was printed, the exit code)"""
    done = subprocess.run([str(kBinary), *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
                          env={**os.environ, **environment})
    return done.stdout + done.stderr, done.returncode


def keys(schema, path=()):
    """(path, what JSON Schema says of it) for every key of the configuration."""
    for name, inner in schema["properties"].items():
        if inner.get("additionalProperties") is False:
            yield from keys(inner, (*path, name))
        else:
            yield (*path, name), inner


kKeys = list(keys(json.loads(run("print-config", "--schema")[0])))
kTexts = [path for path, schema in kKeys if schema.get("type") == "string" and path != ("http", "listen")]
kFiles = [path for path in kTexts if path[-1].endswith("_file")]
kAddresses = [("kafka", "brokers"), ("postgres", "host")]


class Configuration:
    """A good one in a folder of its own, which a test spoils."""

    def __init__(self, directory):
        self.directory = directory
        self.good = {
            "kafka": {"brokers": "127.0.0.1:1", "allow_plaintext": True},
            "postgres": {"host": "127.0.0.1", "port": 1, "database": "audit", "sslmode": "disable", "allow_plaintext": True,
                         **{role: {"password_file": self.secret_file("password", "hunter2")} for role in kRoles}},
            "keyring_file": self.secret_file("keyring.yaml", kKeyring % ("a" * 64)),
        }

    def secret_file(self, name, text, mode=0o600):
        path = self.directory / name
        path.touch(mode=mode)
        path.write_text(text + "\n")
        return str(path)

    def file(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def with_values(self, name, values):
        """A file in which these paths have these values."""
        document = json.loads(json.dumps(self.good))
        for path, value in values.items():
            section = document
            for part in path[:-1]:
                section = section.setdefault(part, {})
            section[path[-1]] = value
        return self.file(name, json.dumps(document))


def in_values(configuration, secret):
    """(words, environment) of commands that read a configuration with secrets as values or names."""
    def planted(paths, note):
        return {path: secret(f"{'.'.join(path)} {note}") for path in paths}

    everything = planted([path for path, _ in kKeys], "with all others")
    lists = {("kafka", "topics"): ["audit", secret("a topic")], ("kafka", "properties"): {
        "client.id": secret("a property"), secret("a property's name"): "1"}}
    names = {**planted(kTexts, ""), **lists, ("kafka", "property_files"): {
        "sasl.password": secret("the path of sasl.password"), secret("the name of a property in a file"): "x"}}
    shown = planted([*kFiles, ("postgres", "host")], "shown")
    broker = {("kafka", "brokers"): secret("a broker's host") + ":9092"}
    wrong_kind = {("kafka", "properties"): {"client.id": [secret("a list as a property")]},
                  ("kafka", "property_files"): secret("a text as a mapping"), ("log",): secret("a text as a section")}
    for name, values in (("everything", everything), ("names", names), ("shown", shown), ("broker", broker), ("kind", wrong_kind)):
        file = configuration.with_values(f"{name}.yaml", values)
        for words in (["check-config"], ["print-config"], ["print-config", "--json"], ["status"], ["verify"]):
            yield [*words, "--config", file], {}
    socket = {("postgres", "host"): "/nowhere/" + secret("the folder of a socket")}
    yield ["migrate", "status", "--config", configuration.with_values("socket.yaml", socket)], {}
    yield ["status", "--config", configuration.with_values("listen.yaml", {
        ("http", "listen"): secret("an address to listen on") + ":80"})], {}


def in_broken_files(configuration, secret):
    unknown = {"kafka": {secret("a name in a section"): 1}, secret("a name"): secret("the value of an unknown key")}
    texts = [json.dumps(configuration.good | unknown), f"a: *{secret('an alias')}", f"a: [{secret('a list without an end')}",
             f'a: "\\q{secret("a wrong escape")}"', f"%{secret('a directive')}", f"a: !{secret('a tag')} b",
             f"&{secret('an anchor')}", secret("a file that is nothing else")]
    for number, text in enumerate(texts):
        yield ["check-config", "--config", configuration.file(f"broken-{number}.yaml", text)], {}


def in_environment(configuration, secret):
    good = configuration.with_values("good.yaml", {})
    names = ["SEALSTREAM__" + "__".join(path).upper() for path, _ in kKeys]
    yield ["check-config", "--config", good], {name: secret(f"the variable {name}") for name in names}
    yield ["check-config", "--config", good], {"SEALSTREAM__KAFKA__PROPERTIES": "{client.id: *" + secret("an alias in a variable")}
    name = secret("a variable's name")
    if "=" not in name:
        yield ["check-config", "--config", good], {"SEALSTREAM__" + name: "1"}


def in_secret_files(configuration, secret):
    files = {"password-open": secret("a password that others may read"), "no-keyring.yaml": secret("a keyring that is none"),
             "id.yaml": kKeyring.replace("2026q3", "%s") % (secret("a key's id"), "a" * 64),
             "key.yaml": kKeyring % secret("a key that is none"), "pem": secret("ssl.key.pem"), "number": secret("a property that must be a number")}
    paths = {name: configuration.secret_file(name, text, 0o644 if name.endswith("open") else 0o600)
             for name, text in files.items()}
    spoiled = [{("postgres", "writer"): {"password_file": paths["password-open"]}},
               *({("keyring_file",): paths[name]} for name in ("no-keyring.yaml", "id.yaml", "key.yaml")),
               {("kafka", "property_files"): {"ssl.key.pem": paths["pem"]}, ("kafka", "properties"): {"security.protocol": "ssl"}},
               {("kafka", "property_files"): {"fetch.max.bytes": paths["number"]}}]
    for number, values in enumerate(spoiled):
        yield ["check-config", "--connect", "--config", configuration.with_values(f"spoiled-{number}.yaml", values)], {}


def in_arguments(configuration, secret):
    good = ["--config", configuration.with_values("good.yaml", {})]
    uuid = "2f0c0d8e-5f5c-7e55-9c0a-0a4b6f1c2d3e"

    def filled(*options):
        return [word for option in options for word in (option, secret(f"the option {option}"))]

    for words in ([secret("a command")], ["status", "--" + secret("an option")], ["status", secret("a word too many")],
                  ["status", "--config", secret("--config")], ["quarantine", "show", secret("a place"), *good],
                  ["quarantine", "list", *filled("--tenant", "--reason", "--state"), *good],
                  ["verify", *filled("--tenant", "--since", "--workers"), *good],
                  ["anomalies", "list", *filled("--tenant", "--type", "--severity", "--limit"), *good],
                  ["anomalies", "resolve", secret("an anomaly"), *filled("--reason"), *good],
                  ["anomalies", "resolve", uuid, *filled("--reason", "--by"), *good],
                  ["erase", *filled("--tenant", "--user", "--reason", "--by"), *good],
                  ["erase", "--tenant", "acme", *filled("--event"), *good],
                  ["offsets", "reset", secret("a partition"), *filled("--accept-loss", "--by"), *good],
                  ["rebuild", "read-models", *filled("--tenant", "--model"), *good]):
        yield words, {}


def faults_of(words, environment):
    output, code = run(*words, **environment)
    return kPlants.faults([(f"what `{words[0]}` printed", output)]), code


@pytest.mark.parametrize("places", [in_values, in_broken_files, in_environment, in_secret_files, in_arguments],
                         ids=lambda places: places.__name__)
def test_no_secret_of_an_operator_is_printed(places, tmp_path):
    runs = []
    for form in range(len(kPlants.forms)):
        directory = tmp_path / str(form)
        directory.mkdir()
        runs += places(Configuration(directory), lambda place, form=form: kPlants.secret(form, place))
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda one: faults_of(*one), runs))
    faults = [fault for found, _ in done for fault in found]
    assert faults == [], f"{len(faults)} faults, the first of them:\n" + "\n".join(faults[:20])
    assert {code for _, code in done} <= {0, 1, 2, 3, 64, 69, 78}, "no bug was met"


def test_the_search_finds_what_is_printed():
    secret = kPlants.secret(0, "a value that is not masked")
    assert kPlants.faults([("a text", f"<{secret}>".encode())]) == [
        "rule anthropic-key ('sk-ant-0000000000001234') planted in a value that is not masked found in a text"]


def test_a_running_instance_does_not_log_what_a_token_is_made_of(tmp_path):
    """librdkafka quotes it, without any shape by which it could be found."""
    configuration = Configuration(tmp_path)
    token = configuration.secret_file("token", "principal=x hunter2hunter2")
    config = configuration.with_values("token.yaml", {
        ("http", "listen"): f"127.0.0.1:{free_port()}", ("kafka", "property_files"): {"sasl.oauthbearer.config": token},
        ("kafka", "properties"): {"security.protocol": "sasl_plaintext", "sasl.mechanism": "OAUTHBEARER",
                                  "enable.sasl.oauthbearer.unsecure.jwt": True}})
    log = tmp_path / "log"
    with log.open("wb") as output, subprocess.Popen([str(kBinary), "run", "--config", config], stderr=output) as process:
        try:
            wait_until(lambda: "Unrecognized sasl.oauthbearer.config" in log.read_text(), 60, "librdkafka to complain")
        finally:
            process.kill()
    assert "hunter2" not in log.read_text()


def dies_with_a_core(command, directory, up):
    """Whether the process left one, or handed it to the program that the machine names for that."""
    unlimited = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh", *command]
    process = subprocess.Popen(unlimited, cwd=directory, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(up, 60, f"{command[0]} to run")
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == -signal.SIGABRT
    return os.WCOREDUMP(status)


def test_a_process_that_dies_leaves_no_core(tmp_path):
    """Where the machine lets others leave one: a limit of its own for all would hide what this one does."""
    configuration = Configuration(tmp_path)
    port = free_port()
    config = configuration.with_values("run.yaml", {("http", "listen"): f"127.0.0.1:{port}"})

    def answers():
        return subprocess.run(["bash", "-c", f"</dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL).returncode == 0

    assert not dies_with_a_core([str(kBinary), "run", "--config", config], tmp_path, answers)
