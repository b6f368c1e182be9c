# SPDX-License-Identifier: Apache-2.0
"""A real schema registry (Apicurio, by its Confluent interface) for end-to-end tests, and
a gate in front of it that asks for a password over TLS."""

import base64
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from harness import Failed, check

VERSION = os.environ.get("LEAT_APICURIO_VERSION", "2.6.13.Final")
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
PATH = "/apis/ccompat/v7"


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "leat"


def find_registry():
    """The folder of the registry's jars, fetched with Maven the first time."""
    folder = cache() / f"apicurio-{VERSION}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
        command = ["mvn", "-q", "-B", "-Dstyle.color=never", PLUGIN]
        command += [f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={fresh}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        check(done.returncode == 0, f"the registry could not be fetched: {done.stdout}")
        archive = next(fresh.glob("*.tar.gz"))
        subprocess.run(["tar", "xzf", archive, "-C", fresh], check=True)
        archive.unlink()
        try:
            fresh.rename(folder)
        except OSError:  # another run was first
            shutil.rmtree(fresh)
    return folder


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Registry:
    """The process; use as a context."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{PATH}"
        self.log = tempfile.NamedTemporaryFile(prefix="leat-registry-", suffix=".log")
        jar = next(find_registry().glob("*-runner.jar"))
        env = os.environ | {"QUARKUS_HTTP_PORT": str(self.port), "QUARKUS_HTTP_HOST": "127.0.0.1"}
        self.process = subprocess.Popen(
            ["java", "-Xmx512m", "-jar", str(jar)],
            cwd=jar.parent,
            env=env,
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self):
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                self.call("/subjects")
                return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        self.__exit__()
        raise Failed("the schema registry did not start: see its log")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def call(self, path, body=None, method=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def register(self, subject, schema):
        return self.call(f"/subjects/{subject}/versions", {"schema": json.dumps(schema)})["id"]


class Gate:
    """TLS, basic and bearer authentication in front of a registry, whose answers it passes on; and
    what this registry lacks of Confluent's newer ones: schemas by GUID. Those it makes up from the
    numbers; test_a_registry_without_guids says what there is without it."""

    def __init__(self, registry, folder):
        self.registry, self.folder = registry, pathlib.Path(folder)
        self.requests, self.refused, self.guids = [], 0, {}
        self.certificate()
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Passes requests on."""

            def do_GET(self):  # pylint: disable=invalid-name
                gate.answer(self, None)

            def do_POST(self):  # pylint: disable=invalid-name
                gate.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "gate.crt", self.folder / "gate.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}{PATH}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
            + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
            + ["-keyout", self.folder / "gate.key", "-out", self.folder / "gate.crt"],
            check=True,
            stderr=subprocess.DEVNULL,
        )

    def answer(self, handler, body):
        basic = "Basic " + base64.b64encode(b"leat:s3cret").decode()
        path = handler.path.removeprefix(PATH)
        if handler.headers.get("Authorization") not in (basic, "Bearer t0ken"):
            self.refused += 1
            self.reply(handler, 401, b'{"error_code": 401, "message": "who are you?"}')
            return
        self.requests.append((handler.command, path))
        if path.startswith("/schemas/guids/"):
            number = self.guids.get(path.removeprefix("/schemas/guids/"))
            path = f"/schemas/ids/{number or 999999}"
        request = urllib.request.Request(self.registry.url + path, data=body)
        request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        try:
            with urllib.request.urlopen(request, timeout=30) as got:
                text = got.read()
        except urllib.error.HTTPError as error:
            self.reply(handler, error.code, error.read())
            return
        if body is not None:  # Confluent's registry names what it registers
            made = json.loads(text)
            guid = f"00000000-0000-4000-8000-{made['id']:012x}"
            self.guids[guid] = made["id"]
            text = json.dumps(made | {"guid": guid}).encode()
        self.reply(handler, 200, text)

    @staticmethod
    def reply(handler, status, text):
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
