# SPDX-License-Identifier: Apache-2.0
"""Real Redis servers and Sentinels for the tests, and a client that is not ours to look with."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"


class RedisError(OSError):
    """What a server has answered, or that it does not."""


def free_port():
    """Below 55536: a server of a cluster takes the port 10,000 above it too."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        if port < 55536:
            return port


def program():
    """Debian's redis-tools holds the server too, under the name of a checker."""
    return shutil.which("redis-server") or shutil.which("redis-check-rdb")


class Client:
    """One connection; call(words) gives the answer, errors are raised."""

    def __init__(self, port, password=None, timeout=5):
        self.socket = socket.create_connection((HOST, port), timeout)
        self.file = self.socket.makefile("rb")
        if password:
            self.call("AUTH", password)

    def call(self, *words):
        data = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            data += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(data)
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise RedisError("the server has gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode()
        return [self.answer() for _ in range(int(rest))]

    def close(self):
        self.socket.close()


class Server:
    """A redis-server of its own in a folder of its own; settings as in redis.conf."""

    def __init__(self, folder, *settings, port=None, password=None, sentinel=False):
        self.port = port or free_port()
        self.folder = pathlib.Path(folder) / f"redis-{self.port}"
        self.folder.mkdir()
        self.password = password
        self.sentinel = sentinel
        self.process = None
        lines = [f"port {self.port}", f"bind {HOST}", f"dir {self.folder}", *settings]
        if not any(line.startswith("save") for line in settings) and not sentinel:
            lines.append('save ""')
        if password:
            lines.append(f"requirepass {password}")
        (self.folder / "redis.conf").write_text("\n".join(lines) + "\n")
        self.start()

    def start(self):
        command = ["redis-server", str(self.folder / "redis.conf")]
        if self.sentinel:
            command.append("--sentinel")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                command, executable=program(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self.wait()

    def wait(self):
        """Until it answers, whatever it answers; a TLS port answers nothing to us."""
        for _ in range(500):
            if self.process.poll() is not None:
                raise RedisError((self.folder / "log").read_text())
            try:
                client = Client(self.port)
                try:
                    client.call("PING")
                except RedisError as error:
                    if str(error).startswith("LOADING"):
                        raise
                client.close()
                return
            except (OSError, RedisError):
                time.sleep(0.02)
        raise RedisError(f"no answer from port {self.port}")

    def call(self, *words):
        client = Client(self.port, self.password)
        try:
            return client.call(*words)
        finally:
            client.close()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.resume()
            self.kill()
