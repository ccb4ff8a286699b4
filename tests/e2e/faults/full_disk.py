"""A PostgreSQL cluster whose disk can be full."""

import subprocess
from pathlib import Path

from local.postgres_cluster import PostgresCluster, kBinaries

kSource = Path(__file__).with_name("full_disk.cc")


class FillableCluster(PostgresCluster):
    def fill(self):
        """From now on no file of it can grow."""
        self._flag.touch()

    def free(self):
        self._flag.unlink()

    @property
    def _flag(self):
        return self.directory / "full"

    def _launch(self):
        library = self.directory / "full_disk.so"
        subprocess.run(["g++", "-std=c++20", "-shared", "-fPIC", "-o", str(library), str(kSource)], check=True)
        library.chmod(0o755)
        self._run(["env", f"LD_PRELOAD={library}", f"SEALSTREAM_TEST_FULL_DISK={self._flag}",
                   str(kBinaries / "postgres"), "-D", str(self.data)], user=self._server_user())
