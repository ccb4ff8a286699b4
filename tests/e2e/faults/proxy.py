"""A TCP proxy that does to connections what networks do: cut, delay, half-close and swallow them, also exactly at a COMMIT."""

import socket
import threading

kChunkBytes = 65_536
kCommit = b"COMMIT\0"  # in a client's Query or Parse, and in the server's CommandComplete


class Proxy:
    """Forwards connections from a free port of 127.0.0.1, from `with` to its end. Attributes may be set at any time.

    delay_s: how long every chunk waits, in either direction.
    swallows: nothing is forwarded any more, and nobody is told.
    cut_at_commit: "before" the next COMMIT reaches the server, or "after" it did and before its answer reaches the client,
    that connection is cut; then it is None again.
    hang_at_commit: from the next COMMIT on, that connection swallows everything; then it is False again.
    """

    def __init__(self, host, port):
        self.delay_s = 0.0
        self.swallows = False
        self.cut_at_commit = None
        self.hang_at_commit = False
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs = []  # (client's socket, server's socket)
        self._refuses = False
        self._stop = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the one that accepts
        self._listener.close()
        self.cut()

    def cut(self):
        """Ends every connection on both sides; new ones are welcome."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._end(pair)

    def refuse(self, refuses):
        """Whether connections end as soon as they are made; those that there are do now."""
        with self._lock:
            self._refuses = refuses
        if refuses:
            self.cut()

    def half_close(self, side):
        """Says to one side of every connection, "client" or "server", that the other has sent its last."""
        with self._lock:
            pairs = list(self._pairs)
        for client, server in pairs:
            _shut(client if side == "client" else server, socket.SHUT_WR)

    def _serve(self):
        while True:
            client, _ = self._listener.accept()
            if self._stop.is_set():
                return client.close()
            try:
                server = socket.create_connection(self._target)
            except OSError:  # nobody listens there
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.append(pair)
                refuses = self._refuses
            if refuses:
                self.cut()
                continue
            threading.Thread(target=self._forward, args=(pair, client, server, "before"), daemon=True).start()
            threading.Thread(target=self._forward, args=(pair, server, client, "after"), daemon=True).start()

    def _forward(self, pair, source, target, cut_here):
        tail, hangs = b"", False
        try:
            while chunk := source.recv(kChunkBytes):
                if self._stop.wait(self.delay_s):
                    break
                commits = kCommit in tail + chunk
                tail = chunk[1 - len(kCommit):]
                if commits and self.cut_at_commit == cut_here:
                    self.cut_at_commit = None
                    return self._end(pair)
                if commits and self.hang_at_commit:
                    hangs = True
                    self.hang_at_commit = False
                if self.swallows or hangs:
                    continue
                target.sendall(chunk)
            _shut(target, socket.SHUT_WR)
        except OSError:  # cut by the other direction, or by its peer
            self._end(pair)

    @staticmethod
    def _end(pair):
        for end in pair:
            _shut(end, socket.SHUT_RDWR)


def _shut(end, how):
    try:
        end.shutdown(how)
    except OSError:  # it was before
        pass
