#!/usr/bin/env python3
"""Saves what a build of Lockstep writes, and says what differs between two builds: for changes that
should change nothing.

    tests/unchanged/unchanged.py save BINARY FOLDER [FILE...]     files of posts to look at beside the simulated ones
    tests/unchanged/unchanged.py compare FOLDER FOLDER            ends with 1 where anything differs

What is saved: the help of every command; all files of `detect` on five inputs, and `explain` of
their clusters; TAXII, webhooks, console, JSON API and command line of a deployment with a case in
every state; TAXII of a seed; the names, types, help and labels of all metrics.
"""

import argparse
import base64
import csv
import datetime
import difflib
import gzip
import hashlib
import json
import pathlib
import re
import sys
import tempfile
import urllib.parse

from running import TAXII, Lockstep, run
from story import Story

ROOT = pathlib.Path(__file__).resolve().parents[2]
UUID_4 = r"(?<![0-9A-Za-z])[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![0-9A-Za-z])"


class Normalizer:
    """Writes files with everything in them replaced that rightly differs from run to run. All such
    rules are here."""

    # (what it is, pattern, what stands in its place)
    RULES = [
        # Ports of loopback are whichever are free.
        ("port", r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:PORT"),
        # How long something took, and how fast that is.
        ("seconds", r'"(seconds|posts_per_second)": ?[0-9.e-]+', r'"\1":DURATION'),
        ("seconds", r"in [0-9.]+ s \([0-9,]+ posts/s\)", "in DURATION"),
        ("seconds", r"in [0-9.]+ s by ", "in DURATION by "),
        # Documents hold the day on which they were written; what can be read of them stands beside.
        ("document", r"^[0-9a-f]{64}(  FOLDER)", r"SHA-256\1"),
        # A session's token against forged requests, and its cookie.
        ("token", r'name="csrf" value="[^"]*"', 'name="csrf" value="TOKEN"'),
        ("token", r'"csrf": ?"[^"]*"', '"csrf":"TOKEN"'),
        # A partner's pseudonyms are made with a random key of its own.
        ("pseudonym", r'"pseudonyms":\[[^\]]*\]', lambda found: f'"pseudonyms":[{found[0].count(",") + 1} of them]'),
        # Seals of the audit log are hashes of entries, which hold the time.
        ("seal", r'("seal":\s?"|seal |seal_is )[0-9a-f]{64}', r"\1SEAL"),
        ("seal", r"<code>[0-9a-f]{64}</code>", "<code>SEAL</code>"),
        ("seal", r'<td class="id">[0-9a-f]{12}…</td>', '<td class="id">SEAL…</td>'),
    ]
    # Ids that are drawn at random; each gets a number by the order in which it comes up, so that
    # references still show.
    DRAWN = [
        # Collections, TAXII statuses and whatever else has a UUID of version 4, unless the sources
        # have it. What is derived from other
        # things has version 5.
        ("UUID", UUID_4),
        # Deliveries.
        ("DELIVERY", r"(?<![0-9A-Za-z])msg_[0-9a-f]{32}"),
        # Partners' keys.
        ("KEY", r"(?<=key )[0-9a-f]{16}\b|(?<=^  )[0-9a-f]{16}(?=  issued)|(?<=\"id\":\")[0-9a-f]{16}(?=\")|(?<=<code>)[0-9a-f]{16}(?=<)"),
    ]
    # Times as RFC 3339 and as pages write it; days alone, also in words.
    TIME = re.compile(r"\b(20\d\d-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00| UTC)?)?\b")
    DAY = re.compile(r"\b(\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) 20\d\d)\b")

    def __init__(self, out, folder):
        self.out, self.folder, self.start = out, folder, datetime.datetime.now(datetime.timezone.utc)
        self.drawn = {}
        sources = [path for part in ["crates/*/src", "crates/*/assets", "config"] for top in ROOT.glob(part) for path in top.rglob("*")]
        texts = [path.read_text(errors="replace") for path in sources if path.suffix in {".rs", ".json", ".toml"}]
        self.fixed = {found for text in texts for found in re.findall(UUID_4, text)}

    def time(self, found):
        """A time of the wall clock, which is none before the start: in whole days from then.
        Simulated posts are older and stay."""
        try:
            day = datetime.date.fromisoformat(found[1])
        except ValueError:
            return found[0]
        if found[2] is None:
            return self.day(found[0], day)
        at = datetime.datetime(day.year, day.month, day.day, int(found[2]), int(found[3]), tzinfo=datetime.timezone.utc)
        after = at - self.start + datetime.timedelta(minutes=1)
        return found[0] if after < datetime.timedelta(0) else f"<start+{after.days}d>"

    def day(self, text, day):
        days = (day - self.start.date()).days
        return text if days < 0 else f"<start+{days}d>"

    def day_in_words(self, found):
        return self.day(found[0], datetime.datetime.strptime(found[1], "%d %b %Y").date())

    def number(self, kind, drawn):
        if drawn in self.fixed:
            return drawn
        known = self.drawn.setdefault(kind, {})
        return f"{kind}-{known.setdefault(drawn, len(known) + 1)}"

    def text(self, text):
        text = text.replace(str(self.folder), "FOLDER")
        for _, pattern, instead in self.RULES:
            text = re.sub(pattern, instead, text, flags=re.MULTILINE)
        for kind, pattern in self.DRAWN:
            text = re.sub(pattern, lambda found, kind=kind: self.number(kind, found[0]), text, flags=re.MULTILINE)
        return self.DAY.sub(self.day_in_words, self.TIME.sub(self.time, text))

    def write(self, name, content):
        """Writes one file: text normalised; of PDFs, whose streams hold the time compressed, what
        can be seen of them."""
        path = self.out / self.text(str(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        if content.startswith(b"%PDF"):
            pages = len(re.findall(rb"/Type\s*/Page\b", content))
            content = f"a PDF: {content[:8].decode()}, {pages} pages in plain objects\n".encode()
        try:
            content = self.text(content.decode()).encode()
        except UnicodeDecodeError:
            content = f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}\n".encode()
        path.write_bytes(content)


def save(binary, out, files):
    binary, out = pathlib.Path(binary).resolve(), pathlib.Path(out)
    if out.exists() and any(out.iterdir()):
        sys.exit(f"{out} is not empty")
    with tempfile.TemporaryDirectory(prefix="lockstep-unchanged-") as folder:
        folder = pathlib.Path(folder)
        to = Normalizer(out, folder)
        save_help(to, binary)
        save_detection(to, binary, folder, [pathlib.Path(file).resolve() for file in files])
        save_seed(to, binary, folder / "seed")
        save_deployment(to, binary, folder / "deployment")
    print(f"{sum(1 for path in out.rglob('*') if path.is_file())} files in {out}", file=sys.stderr)


def save_help(to, binary, *command):
    """--help of a command and of all below it."""
    text = run(binary, *command, "--help")[0].decode()
    to.write(pathlib.Path("help", *command, "help.txt"), text)
    listed = re.search(r"^Commands:\n(.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    for name in re.findall(r"^  ([a-z][a-z-]*)", listed[1] if listed else "", re.MULTILINE):
        if name != "help":
            save_help(to, binary, *command, name)


def inputs(binary, folder):
    """Five files of posts: as simulated, as a table, packed and without what is not known of
    reposts, other worlds."""
    folder.mkdir(parents=True)
    for name, world, seed in [("demo-1", "demo", 1), ("demo-2", "demo", 2), ("demo-3", "demo", 3), ("openly", "openly", 1)]:
        (folder / f"{name}.jsonl").write_bytes(run(binary, "simulate", "--world", world, "--seed", seed)[0])
    (folder / "small.jsonl").write_bytes(run(binary, "simulate", "--world", pathlib.Path(__file__).with_name("world.toml"))[0])
    fields = ["id", "platform", "account_id", "account_name", "created_at", "text", "urls", "hashtags", "repost_of", "repost_of_account"]
    with open(folder / "demo-2.jsonl") as posts, open(folder / "demo-2.csv", "w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(fields)
        for post in map(json.loads, posts):
            cells = (post.get(field) for field in fields)
            rows.writerow([json.dumps(cell) if isinstance(cell, list) else cell for cell in cells])
    with open(folder / "demo-3.jsonl") as posts, gzip.open(folder / "demo-3.jsonl.gz", "wt") as packed:
        for number, post in enumerate(map(json.loads, posts)):
            post.pop("repost_of_account", None)
            packed.write(json.dumps(post) + "\n")
            if number % 5_000 == 0:
                packed.write("no post at all\n")
    return [folder / name for name in ["demo-1.jsonl", "demo-2.csv", "demo-3.jsonl.gz", "openly.jsonl", "small.jsonl"]]


def save_detection(to, binary, folder, files):
    made = inputs(binary, folder / "posts")
    for path in made:
        to.write(f"posts/{path.name}.sha256", hashlib.sha256(path.read_bytes().replace(b"\r", b"")).hexdigest() + "\n"
                 if path.suffix != ".gz" else hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() + "\n")
    for path in made + files:
        name = path.name.split(".")[0]
        save_run(to, binary, folder / "out" / name, f"detect/{name}", path)
        clusters = (folder / "out" / name / "clusters.jsonl").read_text().splitlines()
        for cluster in [json.loads(line)["cluster_id"] for line in clusters[:3] + clusters[-2:]]:
            for form in [[], ["--json"]]:
                said = run(binary, "explain", cluster, "--from", folder / "out" / name, *form)[0]
                to.write(f"explain/{name}/{cluster}{'.json' if form else '.txt'}", said)
    demo = made[0]
    shares = ["--method", "coortweet", "--trace", "url", "--time-window", 60, "--min-participation", 2, "--edge-weight", 0.5]
    save_run(to, binary, folder / "out" / "coortweet", "detect/coortweet", demo, *shares)
    for trace in ["repost", "hashtags", "url", "similar"]:
        save_run(to, binary, folder / "out" / trace, f"detect/cooccurrence-{trace}", demo, "--method", "cooccurrence", "--trace", trace)


def save_run(to, binary, folder, name, *arguments):
    out, said = run(binary, "detect", *arguments, "--out", folder)
    to.write(f"{name}/stdout.txt", out)
    to.write(f"{name}/stderr.txt", said)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            to.write(f"{name}/{path.relative_to(folder)}", path.read_bytes())


def answer(got):
    """An answer as text: status, headers, body."""
    status, headers, body = got
    skip = {"date", "content-length", "set-cookie"}
    lines = [f"{status}"] + sorted(f"{name.lower()}: {value}" for name, value in headers.items() if name.lower() not in skip)
    return "\n".join(lines).encode() + b"\n\n" + body


def file_name(path):
    """A file's name for an address."""
    return re.sub(r"[^A-Za-z0-9.=&-]+", "_", urllib.parse.unquote(path).strip("/")) or "index"


def save_taxii(to, name, get):
    """Everything below /taxii2/ that one user may see; `get` returns an answer for a path."""
    def page(path):
        got = get(path)
        to.write(f"{name}/{file_name(path)}.txt", answer(got))
        return json.loads(got[2])

    discovery = page("/taxii2/")
    for root in discovery.get("api_roots", []):
        root = urllib.parse.urlparse(root).path
        page(root)
        for collection in page(f"{root}collections/").get("collections", []):
            at = f"{root}collections/{collection['id']}/"
            page(at)
            if not collection["can_read"]:
                page(f"{at}objects/")
                continue
            objects, path, number = [], f"{at}objects/?limit=40", 0
            # The address of a next page is the server's own business; that pages fit together is
            # not.
            while path:
                got = get(path)
                envelope = json.loads(got[2])
                more = envelope.pop("next", None)
                objects += envelope.get("objects", [])
                body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
                headers = {name: value for name, value in got[1].items() if not name.lower().startswith("x-taxii")}
                to.write(f"{name}/{file_name(at)}_objects-{number:03}.txt", answer((got[0], headers, body)))
                path, number = more and f"{at}objects/?limit=40&next={urllib.parse.quote(more)}", number + 1
            page(f"{at}manifest/?limit=1000")
            page(f"{at}objects/?match[type]=indicator,campaign&limit=1000")
            page(f"{at}objects/?match[version]=all&limit=1000")
            for kind in sorted({one["type"] for one in objects}):
                one = next(one for one in objects if one["type"] == kind)
                page(f"{at}objects/{one['id']}/")
                page(f"{at}objects/{one['id']}/versions/")
    page("/taxii2/nowhere/")


def save_seed(to, binary, folder):
    """TAXII on a fixed seed: nothing in it depends on the clock."""
    lockstep = Lockstep(binary, folder)
    seed = ROOT / "config" / "taxii-seed.example.json"
    user = json.loads(seed.read_text())["users"][0]
    login = base64.b64encode(f"{user['name']}:{user['password']}".encode()).decode()
    headers = {"accept": TAXII, "authorization": f"Basic {login}"}
    try:
        lockstep.start("share", "--seed", seed)
        save_taxii(to, "taxii/seed", lambda path: lockstep.request(lockstep.sharing, "GET", path, headers=headers))
        lockstep.stop()
    finally:
        lockstep.kill()


def save_deployment(to, binary, folder):
    story = Story(binary, folder)
    try:
        story.live()
        save_console(to, story)
        for partner in [story.chirp, story.commons]:
            save_taxii(to, f"taxii/{partner.name}", lambda path, partner=partner: partner.request("GET", path))
        for name, headers in [("stranger", {"accept": TAXII}), ("other-media", {"accept": "text/html"})]:
            got = story.lockstep.request(story.lockstep.sharing, "GET", "/taxii2/", headers=headers)
            to.write(f"taxii/{name}.txt", answer(got))
        save_commands(to, story)
        to.write("webhooks.jsonl", b"".join(body + b"\n" for body in story.endpoints[0].received))
        story.metrics["share"] = story.lockstep.metrics()
        for role, text in story.metrics.items():
            to.write(f"metrics/{role}.txt", described(text))
        story.end()
    finally:
        story.lockstep.kill()


def save_console(to, story):
    lockstep = story.lockstep
    cases = story.cases()
    paths = ["/", "/?state=released", "/?status=coordinated", "/?q=chirp", "/?attention=1&sort=evidence&dir=asc", "/?page=2",
             "/deliveries", "/deliveries?state=pending", "/deliveries?partner=chirp-safety", "/retractions", "/partners", "/audit",
             "/audit?verify=1", "/help", "/clusters/none", "/nowhere"]
    paths += [f"/clusters/{case}" for case in cases]
    paths += [f"/clusters/{cases[0]}?account=0&sort=nats", f"/clusters/{cases[0]}?kind=url"]
    for path in paths:
        to.write(f"console/eve/{file_name(path)}.txt", answer(story.eve.get(path)))
    for person in [story.ann, story.bob, story.adm]:
        for path in ["/", "/deliveries", "/retractions", f"/clusters/{cases[0]}"]:
            to.write(f"console/{person.name}/{file_name(path)}.txt", answer(person.get(path)))
    assets = ["/assets/style.css", "/assets/console.css", "/assets/console.js", "/assets/icon.svg"]
    for path in ["/", "/login", "/api/clusters", *assets]:
        to.write(f"console/nobody/{file_name(path)}.txt", answer(lockstep.request(lockstep.sharing, "GET", path)))
    paths = ["openapi.json", "person", "clusters", "clusters?state=nowhere", "clusters/none", "deliveries", "retractions",
             "retraction_cases?all=1", "recipients", "audit", "audit/verification"]
    paths += [f"clusters/{case}{part}" for case in cases for part in ["", "/outcome"]]
    for path in paths:
        status, headers, body = story.eve.get(f"/api/{path}")
        # Line by line, so that a difference shows where it is.
        body = json.dumps(json.loads(body), indent=1, ensure_ascii=False).encode()
        to.write(f"api/{file_name(path)}.txt", answer((status, headers, body)))
    refused = [
        ("nominated", story.eve, "approve", {"comment": "x"}), ("in_review", story.eve, "check_sources_and_methods", {"finding": " "}),
        ("in_review", story.ann, "close", {}), ("approved", story.eve, "release", {}), ("approved", story.ann, "release", {}),
        ("dismissed", story.eve, "retract", {"reason": "x"}), ("released", story.ann, "begin_review", {}),
        ("released", story.eve, "retract", {"reason": ""}), ("updated", story.eve, "update", {}),
        ("retracted", story.eve, "approve", {"comment": "x"}), ("closed", story.eve, "return_to_review", {"reason": "x"}),
        ("released", story.ann, "record", {"fact": {"breaches": {"breaches": [{"state": "Ohio", "system": "x"}], "why": ""}}}),
    ]
    for state, person, take, fields in refused:
        case = story.cases(state=state)[0]
        revision = person.json(f"/api/clusters/{case}")["revision"]
        for revision, name in [(revision, "refused"), (revision - 1, "stale")]:
            status, said = person.post(f"/api/clusters/{case}/steps", {"revision": revision, "step": {"take": take, **fields}})
            if status < 400:
                sys.exit(f"{take} by {person.name} of a case that is {state} was taken")
            to.write(f"api/{name}/{state}-{take}-{person.name}.txt", f"{status} {json.dumps(said)}\n")


def save_commands(to, story):
    """What the command line says of the deployment."""
    lockstep, cases = story.lockstep, story.cases()
    commands = [["partners", "list"], ["partners", "list", "--json"], ["partners", "deliveries"], ["retractions", "list"],
                ["audit", "verify"], ["audit", "verify", "--json"], ["audit", "export"], ["users", "list"], ["config", "show"],
                ["config", "check"]]
    commands += [["policy", "explain", case] for case in cases[:6]] + [["policy", "explain", cases[0], "--json"]]
    for command in commands:
        to.write(f"commands/{'-'.join(command)}.txt", lockstep.command(*command))
    for recipient in ["oh-secretary-of-state", "protective-intelligence", "everybody"]:
        for case in cases[:3]:
            folder = lockstep.folder / "documents" / recipient / case
            out, said = run(lockstep.binary, "documents", case, "--recipient", recipient, "--out", folder, "--config", lockstep.config,
                            folder=lockstep.folder, code=None)
            to.write(f"documents/{recipient}/{case}/said.txt", out + said)
            for path in sorted(folder.glob("*")):
                to.write(f"documents/{recipient}/{case}/{path.name}", path.read_bytes())


def described(text):
    """Names, types, help and labels of metrics: all that does not depend on how fast the machine
    is."""
    lines = [line for line in text.splitlines() if line.startswith("#")]
    rows = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")]
    return "\n".join(lines + sorted(set(rows))) + "\n"


def compare(one, other):
    """Prints every file that differs and where; True where none does."""
    names = [{path.relative_to(folder) for path in pathlib.Path(folder).rglob("*") if path.is_file()} for folder in (one, other)]
    if not names[0] or not names[1]:
        sys.exit("nothing is saved there")
    same = True
    for name in sorted(names[0] | names[1]):
        if name not in names[0] or name not in names[1]:
            print(f"{name}: only in {one if name in names[0] else other}")
            same = False
            continue
        texts = [pathlib.Path(folder, name).read_text(errors="replace") for folder in (one, other)]
        if texts[0] != texts[1]:
            same = False
            print(f"{name}: differs")
            show(*texts)
    return same


def show(one, other, most=12):
    """The first lines that differ, each from where it differs."""
    shown = 0
    matcher = difflib.SequenceMatcher(None, one.splitlines(), other.splitlines(), autojunk=False)
    if max(one.count("\n"), other.count("\n")) > 20_000:
        pairs = [(a, b) for a, b in zip(one.splitlines(), other.splitlines()) if a != b]
        changes = [([a], [b]) for a, b in pairs]
    else:
        blocks = [block for block in matcher.get_opcodes() if block[0] != "equal"]
        changes = [(one.splitlines()[a:b], other.splitlines()[c:d]) for _, a, b, c, d in blocks]
    for old, new in changes:
        at = 0
        if len(old) == len(new) == 1:
            at = next((i for i, (a, b) in enumerate(zip(old[0], new[0])) if a != b), min(len(old[0]), len(new[0])))
        for sign, lines in [("-", old), ("+", new)]:
            for line in lines[:3]:
                print(f"  {sign} {'…' if at > 40 else ''}{line[max(0, at - 40):at + 160]}")
        shown += 1
        if shown >= most:
            print(f"  and {len(changes) - shown} more places")
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("save", help="saves what a build writes")
    verb.add_argument("binary")
    verb.add_argument("folder")
    verb.add_argument("files", nargs="*")
    verb = verbs.add_parser("compare", help="says what differs between two folders")
    verb.add_argument("one")
    verb.add_argument("other")
    given = parser.parse_args()
    if given.verb == "save":
        save(given.binary, given.folder, given.files)
        return 0
    if not compare(given.one, given.other):
        return 1
    print("nothing differs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
