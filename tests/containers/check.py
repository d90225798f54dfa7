"""Goes through the services of docker-compose.yml as an operator, two reviewers and a partner do.

Usage: check.py FOLDER_OF_THE_COMPOSE_FILE SERVICE...

Run by containers.sh, with the containers up. Needs the docker and docker-compose commands and to be root, for the kills.
"""

import datetime
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

folder, *services = sys.argv[1:]
CONSOLE, INTAKE, PROMETHEUS = "http://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1:9090"
LOCKSTEP = ["intake", "detect", "share"]
# Makes the token and ends.
ONCE = "metrics-token"
PASSWORD = "correct horse battery staple"
begin = time.monotonic()
passed = 0


def ok(what):
    global passed
    passed += 1
    print(f"{time.monotonic() - begin:7.1f} s  {what}", flush=True)


def run(*command, text=None, timeout=120):
    done = subprocess.run(command, input=text if text is not None else "", capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def compose(*command, **more):
    return run("docker-compose", "--project-directory", folder, "-f", f"{folder}/docker-compose.yml", *command, **more)


def inside(service, *command, **more):
    return compose("exec", "-T", service, *command, **more)


def container(service):
    return json.loads(run("docker", "inspect", compose("ps", "-q", service).split()[0]))[0]


def wait(what, holds, seconds=120):
    until = time.monotonic() + seconds
    while True:
        try:
            found = holds()
            if found:
                return found
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        if time.monotonic() > until:
            sys.exit(f"error: waited {seconds} s: {what}")
        time.sleep(0.5)


def get(address, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as answer:
        return json.load(answer)


def prometheus(path, **parameters):
    return get(f"{PROMETHEUS}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")["data"]


def value(query):
    result = prometheus("query", query=query)["result"]
    return float(result[0]["value"][1]) if result else 0.0


def healthy(timeout=180):
    long_running = [service for service in services if service != ONCE]
    wait("all are healthy", lambda: all(container(s)["State"].get("Health", {}).get("Status") == "healthy" for s in long_running), timeout)
    wait("all are ready and scraped", lambda: value("sum(lockstep_ready and on(instance) up)") == len(LOCKSTEP), 60)


class Person:
    """Somebody at the console, by its JSON API."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    def __init__(self, name):
        self.http = urllib.request.build_opener(self.Stay)
        form = urllib.parse.urlencode({"name": name, "password": PASSWORD}).encode()
        try:
            answer = self.http.open(urllib.request.Request(f"{CONSOLE}/login", data=form), timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        if answer.status != 303:
            sys.exit(f"error: {name} cannot log in: {answer.status}")
        self.headers = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "Content-Type": "application/json"}
        self.headers["X-CSRF-Token"] = self.ask("/api/person")["csrf"]

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        try:
            return json.load(self.http.open(urllib.request.Request(CONSOLE + path, data=data, headers=self.headers), timeout=20))
        except urllib.error.HTTPError as error:
            sys.exit(f"error: {path} {body}: {error.code} {error.read().decode()[:1000]}")

    def take(self, cluster, take, **more):
        revision = self.ask(f"/api/clusters/{cluster}")["revision"]
        return self.ask(f"/api/clusters/{cluster}/steps", {"revision": revision, "step": {"take": take, **more}})["state"]


def feed(key):
    """All objects that the partner has, and a digest of them."""
    objects = get(f"{CONSOLE}/taxii2/lockstep/collections/findings-example-network/objects/?limit=1000",
                  Authorization=f"Bearer {key}", Accept="application/taxii+json;version=2.1").get("objects", [])
    return objects, hashlib.sha256(json.dumps(objects, sort_keys=True).encode()).hexdigest()


def ingest(seed, days):
    """A simulated sample through the image's own commands, so many days later than it was made; says how many posts it is."""
    made = run("docker", "run", "--rm", "--read-only", "lockstep:local", "simulate", "--world", "demo", "--seed", str(seed))
    posts = []
    for line in made.splitlines():
        post = json.loads(line)
        at = datetime.datetime.strptime(post["created_at"], "%Y-%m-%dT%H:%M:%SZ") + datetime.timedelta(days=days)
        post["created_at"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        posts.append(json.dumps(post))
    run("docker", "run", "--rm", "--read-only", "--interactive", "--network", "host", "lockstep:local", "ingest", "-", "--to", INTAKE,
        text="\n".join(posts) + "\n", timeout=300)
    return len(posts)


healthy()
ok("all services are healthy, ready and scraped")
for service in LOCKSTEP:
    found = container(service)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "10001:10001" and host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], service
    status = inside(service, "bash", "-c", "cat /proc/1/status; for f in /x /opt/lockstep/x /opt/lockstep/models/x /usr/local/bin/x; do "
                    "if (echo >$f) 2>/dev/null; then echo WROTE $f; fi; done; "
                    "if (echo >/opt/lockstep/.lockstep/x) 2>/dev/null; then rm /opt/lockstep/.lockstep/x; echo KEEPS; fi")
    assert ("KEEPS" in status) == (service != "intake"), f"{service}: {status[-200:]}"
    assert "WROTE" not in status and "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status, status
ok("nobody is root, and nothing can be written but /tmp, and .lockstep by detect and share")

for service in LOCKSTEP:
    shown = inside(service, "lockstep", "config", "show")
    assert "config/lockstep.toml" in shown, f"{service} does not read the mounted configuration: {shown[:500]}"
    assert "sharing.toml" in shown, service
volumes = run("docker", "volume", "ls", "--quiet").split()
assert all(name.startswith("lockstep-check_") for name in volumes), f"unnamed volumes: {volumes}"
ok(f"all services read the mounted configuration; {len(volumes)} volumes, all with names")
posts = ingest(1, 0)
wait("every post is taken", lambda: value("sum(lockstep_posts_total)") >= posts)
wait("nothing is behind", lambda: value("max(lockstep_consumer_lag_records)") == 0)
cases = int(wait("a case is open", lambda: value("sum(lockstep_sharing_cases)")))
late = value('sum(lockstep_posts_total{outcome="too_late"})')
print(f"           {posts} posts, {cases} cases; {late:.0f} posts came too late to count")
ok("posts over HTTP become cases")

for name, roles in {"ann": ["reviewer"], "bob": ["approver"]}.items():
    inside("share", "lockstep", "users", "add", name, *(w for role in roles for w in ("--role", role)), text=PASSWORD + "\n")
key = inside("share", "lockstep", "partners", "add", "example-network").strip()
assert key and not feed(key)[0], "the feed is not empty before a release"
ann, bob = Person("ann"), Person("bob")
cluster = next(c["cluster_id"] for c in ann.ask("/api/clusters")["clusters"] if "chirp" in c["platforms"])
ann.take(cluster, "begin_review")
ann.take(cluster, "check_sources_and_methods", finding="Public posts only.")
for fact in [{"targets": {"targets": [], "suggestions": {}}},
             {"consideration": {"security": "None is known.", "political_sensitivity": "Nothing that changes whom the rules name."}},
             {"duties": {"duties": [], "why": "No law asks for a notice."}},
             {"breaches": {"breaches": [], "why": "Asked: none."}}]:
    ann.take(cluster, "record", fact=fact)
assert ann.take(cluster, "approve", comment="Two sources, at night.") == "approved"
assert bob.take(cluster, "release") == "released"
objects, digest = feed(key)
assert any(o["type"] == "indicator" for o in objects), "the partner gets no indicator"
ok(f"two people release a case; the partner pulls {len(objects)} objects")

targets = prometheus("targets")["activeTargets"]
assert len(targets) == 4 and all(t["health"] == "up" for t in targets), targets
rules = [rule for group in prometheus("rules")["groups"] for rule in group["rules"]]
assert rules and all(rule["health"] == "ok" for rule in rules), rules
ok(f"Prometheus: {len(targets)} targets up, {len(rules)} rules evaluated")
dashboard = json.loads(pathlib.Path(folder, "config/grafana/dashboards/lockstep.json").read_text())
queries = [t["expr"].replace("$__rate_interval", "1m") for panel in dashboard["panels"] for t in panel.get("targets", [])]


def unanswered():
    feed(key)
    return [query for query in queries if not prometheus("query", query=query)["result"]]


# A rate needs two scrapes.
until = time.monotonic() + 60
while unanswered() and time.monotonic() < until:
    time.sleep(2)
assert queries and not unanswered(), f"queries of the dashboard without an answer: {unanswered()}"
ok(f"all {len(queries)} queries of the dashboard have an answer")

for service in [s for s in services if s != ONCE]:
    found = container(service)
    pid = found["State"]["Pid"]
    # Under docker-init the service is its child.
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if found["HostConfig"].get("Init") and children:
        pid = int(children[0])
    at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    wait(f"{service} is started again", lambda: container(service)["RestartCount"] > found["RestartCount"], 60)
    healthy()
    ok(f"{service}: killed, healthy again after {time.monotonic() - at:.0f} s")
assert feed(key)[1] == digest, "the feed changed by the kills"

before = value("sum(lockstep_sharing_cases)")
at = time.monotonic()
compose("down")
down = time.monotonic() - at
at = time.monotonic()
compose("up", "--no-build", "--detach", *services, timeout=300)
healthy()
assert feed(key)[1] == digest and value("sum(lockstep_sharing_cases)") == before, "down and up lost something"
assert "ann" in inside("share", "lockstep", "users", "list")
assert "unbroken" in inside("share", "lockstep", "audit", "verify")
ok(f"down in {down:.0f} s and up in {time.monotonic() - at:.0f} s: the same cases, people and feed")
posts = ingest(2, 7)
wait("posts after that are taken", lambda: value("sum(lockstep_posts_total)") >= posts and value("max(lockstep_consumer_lag_records)") == 0)
wait("there are more cases", lambda: value("sum(lockstep_sharing_cases)") > before)
ok("and it goes on")

for service in ["detect", "share", "intake", "prometheus", "kafka"]:
    at = time.monotonic()
    name = container(service)["Name"].lstrip("/")
    compose("stop", service)
    code = json.loads(run("docker", "inspect", name))[0]["State"]["ExitCode"]
    assert code in (0, 143), f"{service} ended with {code}"
    print(f"           {service} stops in {time.monotonic() - at:.1f} s")
ok("each stops by itself when it is told to")
print(f"{passed} passed, 0 failed")
