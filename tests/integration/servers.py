"""Far sides for tests: a real Redis, a real Kafka, and an HTTP receiver that does what it is told. All of
them listen on free loopback ports and are stopped by whoever started them."""
import glob
import http.server
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).parents[2]
CACHE = pathlib.Path(os.environ.get("TOCSIN_CACHE", pathlib.Path.home() / ".cache" / "tocsin"))


def free_port():
    """A loopback port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition, seconds=10, what="the condition"):
    """Polls until condition() is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.02)


def port_answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


class Server:
    """A child process with a log; subclasses say how it is started and when it is ready."""

    process = None

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / f"{type(self).__name__.lower()}.log"

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def start(self, seconds=60):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **self.environment()})

        def ready():
            assert self.process.poll() is None, f"{self.log} ended:\n" + self.log.read_text()[-2000:]
            return self.is_ready()
        wait_for(ready, seconds, f"{type(self).__name__}'s start")
        return self

    def environment(self):
        return {}

    def stop(self, seconds=30):
        """Asks it to end, then makes it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def pause(self):
        """It hangs: connections stand, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def restart(self):
        self.stop()
        return self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Redis(Server):
    """A redis-server; data live in its folder."""

    def __init__(self, folder, password=None, appendonly=False, settings=()):
        super().__init__(folder)
        self.port = free_port()
        self.password = password
        self.appendonly = appendonly
        self.settings = list(settings)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        words = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder),
                 "--save", "", "--appendonly", "yes" if self.appendonly else "no",
                 "--appendfsync", "always", "--enable-debug-command", "yes"]
        return words + (["--requirepass", self.password] if self.password else []) + self.settings

    def is_ready(self):
        return self.cli("PING").strip() == "PONG"

    def cli(self, *words):
        """What redis-cli prints."""
        environment = {**os.environ, **({"REDISCLI_AUTH": self.password} if self.password else {})}
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True,
                              env=environment, timeout=30).stdout


class Kafka(Server):
    """One Kafka broker in KRaft mode. Its jars are fetched by Maven once, into the cache."""

    def __init__(self, folder, settings=None):
        super().__init__(folder)
        self.port = free_port()
        self.controller_port = free_port()
        self.settings = settings or {}
        self.formatted = False

    @property
    def brokers(self):
        return f"127.0.0.1:{self.port}"

    @staticmethod
    def class_path():
        jars = CACHE / "kafka"
        if not (glob.glob(str(jars / "kafka_2.13-*.jar")) and glob.glob(str(jars / "kafka-tools-[0-9]*.jar"))):
            jars.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mvn", "-q", "-B", "-f", ROOT / "tests" / "kafka" / "pom.xml",
                            "dependency:copy-dependencies", "-DincludeScope=runtime",
                            f"-DoutputDirectory={jars}"], check=True, cwd=jars, timeout=600)
        return str(jars / "*")

    def java(self, name, *words, heap="512m"):
        return ["java", f"-Xmx{heap}", f"-Xms{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                self.class_path(), name, *words]

    def write_settings(self):
        settings = {
            "process.roles": "broker,controller", "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER", "log.dirs": str(self.folder / "logs"),
            "offsets.topic.replication.factor": "1", "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1", "offsets.topic.num.partitions": "1",
            "num.partitions": "3", "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0", "log.cleaner.enable": "false",
            "controlled.shutdown.enable": "false", **self.settings}
        path = self.folder / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return str(path)

    def command(self):
        settings = self.write_settings()
        if not self.formatted:
            subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", "dG9jc2luLXRlc3RzLS0tLQ", "-c",
                                     settings, heap="128m"), check=True, capture_output=True, timeout=120)
            self.formatted = True
        return self.java("kafka.Kafka", settings)

    def is_ready(self):
        if not port_answers(self.port):
            return False
        return "1 brokers" in subprocess.run(["kcat", "-L", "-b", self.brokers, "-m", "5"], capture_output=True,
                                             text=True).stdout

    def create_topic(self, topic, partitions=3, **settings):
        words = ["--bootstrap-server", self.brokers, "--create", "--topic", topic, "--partitions",
                 str(partitions), "--replication-factor", "1"]
        for key, value in settings.items():
            words += ["--config", f"{key.replace('_', '.')}={value}"]
        subprocess.run(self.java("org.apache.kafka.tools.TopicCommand", *words, heap="128m"), check=True,
                       capture_output=True, timeout=120)

    def read(self, topic, form="%p\t%o\t%k\t%h\t%T\t%s\n"):
        """All messages of a topic so far, each as a list of kcat's fields: partition, offset, key,
        headers, time in ms, value."""
        out = subprocess.run(["kcat", "-C", "-q", "-e", "-o", "beginning", "-b", self.brokers, "-t", topic,
                              "-f", form, "-X", "isolation.level=read_committed"],
                             capture_output=True, text=True, timeout=60, check=True).stdout
        return [line.split("\t", form.count("\t")) for line in out.splitlines()]


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.time = time.monotonic()


class Receiver:
    """An HTTP receiver. `behaviour(request)` says what each request gets: a status, (status, headers,
    body), "hang" (no answer until stop), "reset" (the connection is cut), or "cut" (half an answer).
    Requests are kept in `requests`, in the order of their arrival."""

    def __init__(self, behaviour=200, port=0, certificate=None, client_ca=None):
        self.behaviour = behaviour if callable(behaviour) else lambda _: behaviour
        self.requests = []
        self.connections = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                with receiver.lock:
                    receiver.connections += 1
                super().setup()

            def take(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, self.headers, body)
                with receiver.lock:
                    receiver.requests.append(request)
                self.answer(receiver.behaviour(request))

            def answer(self, what):
                if what == "hang":
                    receiver.stopping.wait()
                    self.close_connection = True
                    return
                if what == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                    return
                if what == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                    self.close_connection = True
                    return
                status, headers, body = what if isinstance(what, tuple) else (what, {}, b"")
                body = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except (OSError, ValueError):
                    self.close_connection = True

            do_POST = do_PUT = do_GET = do_PATCH = do_DELETE = take

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass

        self.server = Listener(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.scheme = "http"
        if certificate is not None:
            self.wrap(*certificate, client_ca)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def wrap(self, certificate, key, client_ca):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.scheme = "https"

    def url(self, path="/"):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def make_certificate(folder, name, authority=None, names=("127.0.0.1",), days=2):
    """Returns (certificate, key) paths; signed by `authority`, another such pair, else by itself."""
    folder = pathlib.Path(folder)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    alternatives = ",".join(("IP:" if part[0].isdigit() else "DNS:") + part for part in names)
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
             str(days), "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}", "-keyout", str(key),
             "-out", str(certificate)]
    if authority is not None:
        words += ["-CA", str(authority[0]), "-CAkey", str(authority[1]), "-addext", "basicConstraints=CA:FALSE"]
    subprocess.run(words, check=True, capture_output=True)
    return str(certificate), str(key)


class Opa(Server):
    """An Open Policy Agent over the policy files given. Built by Go once, into the cache."""

    VERSION = "0.61.0"

    def __init__(self, folder, *policies):
        super().__init__(folder)
        self.port = free_port()
        self.policies = [str(policy) for policy in policies]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def program(cls):
        """Its path; built when it is not there yet."""
        program = CACHE / "opa" / cls.VERSION / "opa"
        if program.exists():
            return str(program)
        go = shutil.which("go") or "/usr/local/go/bin/go"
        program.parent.mkdir(parents=True, exist_ok=True)
        made = program.with_name(f"opa.{os.getpid()}")
        subprocess.run([go, "build", "-o", str(made), "."], cwd=ROOT / "tests" / "opa", check=True, timeout=1200,
                       env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath -buildvcs=false",
                            "GOTOOLCHAIN": "local"}, capture_output=True)
        os.rename(made, program)
        return str(program)

    def command(self):
        return [self.program(), "run", "--server", "--addr", f"127.0.0.1:{self.port}", "--log-level", "error",
                "--disable-telemetry", *self.policies]

    def is_ready(self):
        return port_answers(self.port)
