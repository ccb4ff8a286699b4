"""A broker for one test, which may kill, pause and start it again.

    own_broker.py DEPLOY_DIRECTORY

Prints host:port when it takes clients. Then reads commands, one a line (kill, pause, resume, start), and answers
each with "done". Ends with its input, and takes the broker along.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from servers import KafkaBroker  # noqa: E402


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sealstream-broker-") as scratch:
        with KafkaBroker(Path(scratch) / "kafka") as broker:
            print(broker.address, flush=True)
            commands = {"kill": broker.kill, "pause": broker.pause, "resume": broker.resume, "start": broker.start}
            for line in sys.stdin:
                commands[line.strip()]()
                print("done", flush=True)


if __name__ == "__main__":
    main()
