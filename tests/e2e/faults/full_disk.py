"""A PostgreSQL cluster whose disk can be full."""

import preload
from local.postgres_cluster import PostgresCluster, kBinaries


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
        self._run(["env", f"LD_PRELOAD={preload.build('full_disk', self.directory)}", f"SEALSTREAM_TEST_FULL_DISK={self._flag}",
                   str(kBinaries / "postgres"), "-D", str(self.data)], user=self._server_user())
