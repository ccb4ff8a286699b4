"""One Kafka broker and one PostgreSQL for the whole tier; a deployment of its own for each test."""

import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from deployment import Deployment  # noqa: E402
from servers import KafkaBroker, PostgresCluster  # noqa: E402
from topics import Topic  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:kafka")  # kafka-python reads its own resources
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:importlib")


@pytest.fixture(scope="session")
def server_directory():
    with tempfile.TemporaryDirectory(prefix="sealstream-e2e-") as directory:
        os.chmod(directory, 0o711)  # the user postgres must pass
        yield Path(directory)


@pytest.fixture(scope="session")
def postgres(server_directory):
    with PostgresCluster(server_directory / "postgres") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka(server_directory):
    with KafkaBroker(server_directory / "kafka") as broker:
        yield broker


@contextmanager
def migrated(postgres, kafka, directory, **options):
    deployed = Deployment(postgres, kafka, directory, **options)
    try:
        yield deployed.migrate()
    finally:
        deployed.close()
    if "log_of" not in options:
        Topic(deployed).delete()  # a broker that was killed recovers all it has


@pytest.fixture
def deployment(postgres, kafka, tmp_path):
    """Migrated, with no ingester yet."""
    with migrated(postgres, kafka, tmp_path) as deployed:
        yield deployed


@pytest.fixture
def deploy(postgres, kafka, tmp_path):
    """Makes one as `deployment`, with options of Deployment's own; postgres: another cluster."""
    def make(postgres=postgres, **options):
        directory = Path(tempfile.mkdtemp(dir=tmp_path))
        return stack.enter_context(migrated(postgres, kafka, directory, **options))

    with ExitStack() as stack:
        yield make


@pytest.fixture(scope="module")
def module_deployment(postgres, kafka, tmp_path_factory, request):
    """One for all tests of a file, made with the options that the file names in kDeploymentOptions."""
    options = getattr(request.module, "kDeploymentOptions", {})
    with migrated(postgres, kafka, tmp_path_factory.mktemp("deployment"), **options) as deployed:
        yield deployed
