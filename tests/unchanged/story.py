"""What happens at a deployment until its store holds something of everything: a case in every
state, partners with keys and webhooks, feedback, withdrawals, deliveries that arrived and that
wait. Used by unchanged.py, which saves what is shown of it, and by tests/upgrade/make.py, which
keeps the files.

Two parts: people decide on what the first part of the posts brings, and the second part brings
newer versions of it.
"""

import json
import pathlib

from running import Endpoint, Lockstep, Partner, Person, run

WORLD = pathlib.Path(__file__).with_name("world.toml")
# The part of the posts that comes before people decide anything.
FIRST_PART = 0.7
# Event time moves with posts only: strangers who post hours later, enough of them to reach every
# partition, close the open tests.
STRANGERS = 48
BAD_LINES = [b"not json at all", b'{"id":"b2","platform":"chirp","account_id":"1","created_at":"yesterday"}']


def posts(binary):
    """The posts of both parts, as lines."""
    lines = run(binary, "simulate", "--world", WORLD, "--seed", 1)[0].splitlines()
    strangers = [
        {"id": f"later-{n}", "platform": "elsewhere", "account_id": f"stranger-{n}", "account_name": "stranger",
         "created_at": "2026-09-17T06:00:00Z", "text": f"good night number {n}"}
        for n in range(STRANGERS)
    ]
    first = int(len(lines) * FIRST_PART)
    return lines[:first] + BAD_LINES, lines[first:] + [json.dumps(post).encode() for post in strangers]


class Story:
    """A deployment that lives through both parts. In the end `serve share` runs."""

    def __init__(self, binary, folder, database=None):
        # One partner's endpoint takes everything; the other's is gone for good (410), so that its
        # deliveries wait.
        self.endpoints = [Endpoint(204), Endpoint(410)]
        urls = [endpoint.url for endpoint in self.endpoints]
        webhooks = dict(zip(["chirp-safety", "commons-safety"], urls))
        self.lockstep = Lockstep(binary, folder, database, webhooks)
        self.metrics, self.told = {}, {}

    def live(self):
        lockstep, (first, second) = self.lockstep, posts(self.lockstep.binary)
        self.metrics["intake"] = lockstep.take_in(first)
        self.metrics["detect"] = lockstep.detect()
        lockstep.start("share")
        lockstep.caught_up()
        for name in ["chirp-safety", "commons-safety"]:
            lockstep.command("partners", "webhook-secret", name)
        self.chirp, self.commons = Partner(lockstep, "chirp-safety"), Partner(lockstep, "commons-safety")
        self.log_in()
        self.first_part()
        self.settle()
        lockstep.stop()
        lockstep.take_in(second)
        lockstep.detect()
        lockstep.start("share")
        lockstep.caught_up()
        self.log_in()
        self.second_part()
        self.settle()

    def end(self):
        self.lockstep.stop()
        for endpoint in self.endpoints:
            endpoint.close()

    def log_in(self):
        self.ann, self.bob, self.eve, self.adm = (Person(self.lockstep, name) for name in ["ann", "bob", "eve", "adm"])

    def cases(self, **filters):
        """Ids of the clusters that have cases, in order of the ids, which does not depend on when
        they were opened."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return sorted(row["cluster_id"] for row in self.ann.json(f"/api/clusters?{query}")["clusters"])

    def settle(self):
        """Waits until deliveries are sent, feedback is read, and the audit log has not grown for a
        while."""
        self.lockstep.still("nothing happens by itself any more", self.pace)

    def pace(self):
        """What still changes while something happens; None where something is known to be under
        way."""
        pending = self.adm.json("/api/deliveries?partner=chirp-safety&state=pending")["deliveries"]
        return None if pending else self.adm.json("/api/audit/verification")["entry"]

    def begin(self, case):
        self.ann.take(case, "begin_review")
        self.eve.record(case)

    def approve(self, case):
        self.eve.take(case, "approve", comment="Two sources, at night, on new accounts; no fan club is known.")

    def release(self, case):
        """Takes a case as far as partners, and notes which indicators each of them got by that."""
        before = {partner: self.indicators(partner) for partner in (self.chirp, self.commons)}
        self.begin(case)
        self.approve(case)
        self.bob.take(case, "release")
        self.settle()
        for partner, had in before.items():
            self.told[partner.name, case] = [one for one in self.indicators(partner) if one not in had]

    def indicators(self, partner):
        """Ids of the indicators that a partner has and that stand, oldest first."""
        root, collections = partner.collections()
        readable = next(one for one in collections if one["can_read"] and not one["can_write"])
        objects = partner.json(f"{root}collections/{readable['id']}/objects/?match[type]=indicator&limit=1000").get("objects", [])
        return [one["id"] for one in objects if not one.get("revoked")]

    def first_part(self):
        cases = self.cases()
        if len(cases) < 11:
            raise SystemExit(f"only {len(cases)} cases: the story needs eleven")
        standing, doubted, innocent, faded, reopened, retracted, updated, closed, approved, reviewed, _ = cases[:11]
        for case in [standing, doubted, faded, retracted, updated]:
            self.release(case)
        # What partners say: agreement, doubt that people do not share, doubt that they share, and
        # what no label can be made of.
        chirp, commons = self.told["chirp-safety", standing], self.told["commons-safety", updated]
        self.chirp.say("sighting", chirp[:1])
        self.chirp.say("opinion", chirp[1:2], opinion="agree", explanation="We see the same.")
        self.chirp.say("note", chirp[2:3], content="suspended", labels=["actioned"])
        self.chirp.say("note", chirp[3:4], content="thank you")
        self.settle()
        self.chirp.say("opinion", self.told["chirp-safety", doubted][:1], opinion="strongly-disagree", explanation="A school class.")
        self.settle()
        self.commons.say("opinion", commons[:1], opinion="disagree", explanation="A newsroom.")
        self.settle()
        opened = self.bob.json("/api/retraction_cases")["retraction_cases"]
        decisions = [{"decide": "keep", "reason": "The accounts post by one timetable."}, {"decide": "withdraw"}]
        for case, decision in zip(opened, decisions, strict=True):
            self.bob.change(f"/api/retraction_cases/{case['number']}/decision", decision)
            self.settle()
        accounts = self.ann.json(f"/api/clusters/{standing}")["cluster"]["accounts"]
        last = {"platform": accounts[-1]["platform"], "account_id": accounts[-1]["account_id"]}
        self.bob.take(standing, "withdraw_accounts", accounts=[last], reason="A fan who was near by chance.")
        self.settle()
        self.ann.take(standing, "propose_renewal", reason="It goes on.")
        self.bob.take(retracted, "retract", reason="It turned out to be a newsroom's regional accounts.")
        self.settle()
        for case in [innocent, reopened, closed, approved, reviewed]:
            self.begin(case)
        self.ann.take(innocent, "dismiss", reason="A choir that shares its own concerts.", authentic=True)
        self.ann.take(reopened, "dismiss", reason="Not enough time.", authentic=False)
        self.ann.take(reopened, "return_to_review", reason="There is time now.")
        self.ann.take(closed, "dismiss", reason="Tests of a bot maker.", authentic=False)
        self.ann.take(closed, "close")
        self.approve(approved)
        # A newer version comes after this approval and puts the case back into review.
        self.approve(reviewed)
        self.after = {"updated": updated}

    def second_part(self):
        """A newer version of what was released is shared; a partner is asked by telephone whether
        it knows of a withdrawal."""
        updated = self.after["updated"]
        self.eve.record(updated)
        self.approve(updated)
        self.bob.take(updated, "update")
        self.settle()
        waiting = [one for one in self.bob.json("/api/retractions")["retractions"] if one["partner"] == "commons-safety"]
        self.bob.change(f"/api/retractions/{waiting[0]['number']}/acknowledgement", {"note": "By telephone."})
        states = self.ann.json("/api/clusters")["states"]
        wanted = {"nominated", "in_review", "approved", "dismissed", "released", "updated", "retracted", "closed"}
        if wanted - set(states) or len(waiting) < 2:
            raise SystemExit(f"the story did not go as it should: states {states}, {len(waiting)} withdrawals that wait")
