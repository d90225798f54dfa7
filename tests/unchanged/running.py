"""A Lockstep in a folder of its own: its configuration, its services one after the other, its
people and partners.

Used by unchanged.py and by tests/upgrade/make.py. Standard library only.

On the embedded log one process runs at a time: `intake` takes all posts of a phase, then `detect`
reads them all, then `share` opens the cases. Each of them finds its whole input on the log, so what
it writes does not depend on how fast the machine is.
"""

import base64
import hashlib
import http.client
import http.server
import json
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

PASSWORD = "correct horse battery staple"
PATIENCE = 180
TAXII = "application/taxii+json;version=2.1"


def free_port():
    """A port of loopback that nobody listens on, below those that the kernel gives to clients."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def run(binary, *arguments, stdin=None, folder=None, code=0):
    """Runs the command to its end; its standard output and standard error. Fails where it ends with
    another code."""
    done = subprocess.run([binary, *map(str, arguments)], input=stdin, capture_output=True, cwd=folder, timeout=600)
    if code is not None and done.returncode != code:
        raise SystemExit(f"lockstep {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stderr.decode()}")
    return done.stdout, done.stderr


class Endpoint:
    """A partner's webhook endpoint that gives every delivery the same answer."""

    def __init__(self, status):
        endpoint = self
        self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                endpoint.received.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Lockstep:
    """One deployment: `database` is a file in the folder, or the address of a PostgreSQL
    database."""

    def __init__(self, binary, folder, database=None, webhooks=None):
        self.binary, self.folder = str(pathlib.Path(binary).resolve()), pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "lockstep.toml"
        self.admin, self.intake, self.sharing = free_port(), free_port(), free_port()
        self.process = None
        database = database or str(self.folder / "sharing.sqlite")
        self.config.write_text(f"""\
[log]
dir = "{self.folder}/log"
[admin]
listen = "127.0.0.1:{self.admin}"
[intake]
listen = "127.0.0.1:{self.intake}"
[detector]
checkpoints = "{self.folder}/checkpoints"
checkpoint_every_s = 1
[sharing]
database = "{database}"
listen = "127.0.0.1:{self.sharing}"
reviewers = "people"
recipients = "{self.folder}/recipients.toml"
identity = "Unchanged"
contact = "desk@unchanged.example"
[sharing.login]
users = "{self.folder}/users.toml"
[sharing.webhooks]
private = true
[telemetry]
filter = "warn"
""")
        recipients = [("chirp-safety", "platform", {"platform": "chirp"}), ("commons-safety", "platform", {"platform": "commons"})]
        for name, _, more in recipients:
            if name in (webhooks or {}):
                more["webhook"] = webhooks[name]
        recipients += [
            ("oh-secretary-of-state", "state_local", {"state": "OH", "chief_election_official": True, "contact": "elections@ohio.example"}),
            ("protective-intelligence", "secret_service", {"contact": "the duty desk"}),
            ("everybody", "public", {"contact": "the press office", "tlp_ceiling": "clear"}),
        ]
        lines = []
        for name, group, more in recipients:
            lines += ["[[recipients]]"] + [f"{key} = {json.dumps(value)}" for key, value in {"name": name, "class": group, **more}.items()]
        (self.folder / "recipients.toml").write_text("\n".join(lines) + "\n")
        for name, *roles in [("ann", "reviewer"), ("bob", "approver"), ("eve", "reviewer", "approver"), ("adm", "admin")]:
            if not (self.folder / "users.toml").exists() or f"[{name}]" not in (self.folder / "users.toml").read_text():
                flags = [word for role in roles for word in ("--role", role)]
                self.command("users", "add", name, *flags, stdin=PASSWORD.encode())

    def command(self, *arguments, **more):
        """Runs a command on this deployment; its standard output."""
        return run(self.binary, *arguments, "--config", self.config, folder=self.folder, **more)[0].decode()

    def start(self, role, *more):
        """Starts a role and waits until it is ready."""
        self.log = open(self.folder / f"{role}.log", "ab")
        arguments = [self.binary, "serve", role, *map(str, more), "--config", str(self.config)]
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.folder)
        self.wait(f"serve {role} is ready", lambda: self.try_get(self.admin, "/ready") == 200)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(timeout=60)
            self.process = None
            self.log.close()
            if code != 0:
                raise SystemExit(f"a service ended with {code}; see {self.folder}")

    def kill(self):
        """What is left after a failure."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def try_get(self, port, path):
        try:
            return self.request(port, "GET", path)[0]
        except OSError:
            return None

    def wait(self, what, holds):
        until = time.monotonic() + PATIENCE
        while not holds():
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"waited in vain until {what}; logs are in {self.folder}")
            time.sleep(0.1)

    def request(self, port, method, path, body=None, headers=None):
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def metrics(self):
        return self.request(self.admin, "GET", "/metrics")[2].decode()

    def metric(self, name):
        """Sum of a metric over its labels; None where it has no series yet."""
        rows = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", self.metrics(), re.MULTILINE)
        return sum(map(float, rows)) if rows else None

    def still(self, what, look, seconds=3):
        """Waits until `look` has found the same for a while; None is nothing found."""
        last, since = None, time.monotonic()

        def same():
            nonlocal last, since
            now = look()
            if now is None or now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > seconds

        self.wait(what, same)

    def caught_up(self):
        """Waits until the running role has read everything on its topics, and nothing has moved for
        a while after."""
        names = ["lockstep_posts_total", "lockstep_clusters_total", "lockstep_sharing_clusters_total",
                 "lockstep_sharing_objects_published_total"]

        def read():
            lag = self.metric("lockstep_consumer_lag_records")
            return [self.metric(name) for name in names] if lag == 0 else None

        self.still("everything has been read", read)

    def take_in(self, posts):
        """Puts posts, given as lines of bytes, on the log."""
        self.start("intake")
        for at in range(0, len(posts), 1_000):
            lines = b"\n".join(posts[at : at + 1_000])
            status, _, body = self.request(self.intake, "POST", "/v1/posts", lines, {"content-type": "application/x-ndjson"})
            if status != 200:
                raise SystemExit(f"POST /v1/posts: {status} {body}")
        text = self.metrics()
        self.stop()
        return text

    def detect(self):
        """Reads all posts on the log; the metrics in the end."""
        self.start("detect")
        self.caught_up()
        text = self.metrics()
        self.stop()
        return text


class Person:
    """Somebody who is logged in at the console of a running `serve share`."""

    def __init__(self, lockstep, name):
        self.lockstep, self.name = lockstep, name
        form = urllib.parse.urlencode({"name": name, "password": PASSWORD})
        headers = {"content-type": "application/x-www-form-urlencoded"}
        status, answer, _ = lockstep.request(lockstep.sharing, "POST", "/login", form, headers)
        if status != 303:
            raise SystemExit(f"{name} cannot log in: {status}")
        self.cookie = answer["set-cookie"].split(";")[0]
        self.csrf = self.json("/api/person")["csrf"]

    def get(self, path):
        """Status, headers and body of a page."""
        return self.lockstep.request(self.lockstep.sharing, "GET", path, headers={"cookie": self.cookie})

    def json(self, path):
        status, _, body = self.get(path)
        if status != 200:
            raise SystemExit(f"{path}: {status} {body.decode()}")
        return json.loads(body)

    def post(self, path, value):
        """Status and answer of a change through the JSON API."""
        headers = {"cookie": self.cookie, "x-csrf-token": self.csrf, "content-type": "application/json"}
        status, _, body = self.lockstep.request(self.lockstep.sharing, "POST", path, json.dumps(value), headers)
        return status, json.loads(body)

    def change(self, path, value):
        """The same for a change that must be taken."""
        status, answer = self.post(path, value)
        if status != 200:
            raise SystemExit(f"{path}: {status} {answer}")
        return answer

    def take(self, cluster, take, status=200, **fields):
        """Takes a step on a case as it stands now; fails where the answer has another status."""
        path = f"/api/clusters/{cluster}"
        revision = self.json(path)["revision"]
        got, answer = self.post(f"{path}/steps", {"revision": revision, "step": {"take": take, **fields}})
        if got != status:
            raise SystemExit(f"{take} on {cluster}: {got} {answer}")
        return answer

    def record(self, cluster):
        """Records everything that the rules ask for before an approval."""
        suggestions = {}
        outcome = self.json(f"/api/clusters/{cluster}/outcome")["outcome"]
        self.take(cluster, "check_sources_and_methods", finding="Public posts only; nothing gives away how it is known.")
        for name in self.json(f"/api/clusters/{cluster}")["cluster"].get("targets", []):
            suggestions[name if isinstance(name, str) else name.get("name", "")] = "a name in passing, no target"
        targets = [{"kind": "election_office", "name": "Ohio Secretary of State", "recipient": "oh-secretary-of-state"}]
        facts = [
            {"targets": {"targets": targets, "suggestions": suggestions}},
            {"breaches": {"breaches": [], "why": "Asked the county: no system was breached."}},
            {"consideration": {"security": "No investigation is known.", "political_sensitivity": "Nothing that changes whom the rules name."}},
            {"duties": {"duties": [{"duty": "State breach notice law", "whom": "The county notifies its voters"}], "why": ""}},
        ]
        for fact in facts:
            self.take(cluster, "record", fact=fact)
        return outcome


class Partner:
    """A partner with a key, at a running `serve share`."""

    def __init__(self, lockstep, name):
        self.lockstep, self.name = lockstep, name
        self.key = lockstep.command("partners", "key", name).strip()

    def request(self, method, path, body=None):
        login = base64.b64encode(f"{self.name}:{self.key}".encode()).decode()
        headers = {"accept": TAXII, "authorization": f"Basic {login}"}
        if body is not None:
            headers["content-type"] = TAXII
        return self.lockstep.request(self.lockstep.sharing, method, path, body, headers)

    def json(self, path):
        status, _, body = self.request("GET", path)
        if status != 200:
            raise SystemExit(f"{self.name}: {path}: {status} {body.decode()}")
        return json.loads(body)

    def collections(self):
        """(root path, collection) of each collection that this partner may see."""
        default = self.json("/taxii2/")["default"]
        root = urllib.parse.urlparse(default).path
        return root, self.json(f"{root}collections/")["collections"]

    def say(self, kind, about, **fields):
        """Posts feedback about objects, with an id that follows from what is said."""
        root, collections = self.collections()
        writable = next(one for one in collections if one["can_write"])
        name = hashlib.sha256(f"{self.name} {kind} {about} {fields}".encode()).hexdigest()
        identity = f"{kind}--{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:32]}"
        refs = {"sighting_of_ref": about[0]} if kind == "sighting" else {"object_refs": about}
        at = "2026-10-01T00:00:00.000Z"
        thing = {"type": kind, "spec_version": "2.1", "id": identity, "created": at, "modified": at, **refs, **fields}
        status, _, body = self.request("POST", f"{root}collections/{writable['id']}/objects/", json.dumps({"objects": [thing]}))
        if status != 202:
            raise SystemExit(f"{self.name} cannot say {thing}: {status} {body.decode()}")
        return thing
