"""Two people take cases from nominated to retracted in Chromium: once with the page's script, once without any.

Usage: people.py CONSOLE_URL PASSWORD PROFILE_FOLDER SCREENSHOT_FOLDER AXE_FILE
"""

import sys
import time
from collections import Counter

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from browser import TELEPHONE, WIDE, Browser

console, password, profile, shots, axe = sys.argv[1:]
b = Browser(profile, shots, axe)


def state():
    return b.one("h1 .badge").text


def refused(name, why, status=422):
    b.expect(b.all(".decision .error"), f"{name}: no error is shown in place")
    shown = " ".join(error.text for error in b.all(".decision .error"))
    b.expect(why in shown, f"{name}: the error says {shown!r} and not {why!r}")
    b.look(name, allowed=[status])


def records():
    b.send_form("check", finding="Public posts only; nothing gives away how it is known.")
    b.send_form("targets", name_0="Ohio Secretary of State", kind_0="election_office", recipient_0="oh-secretary-of-state")
    b.send_form("consideration", security="No investigation is known.", political="Nothing that changes whom the rules name.")
    b.send_form("duties", duty_0="State breach notice law", whom_0="The county notifies its voters")
    b.send_form("breaches", why="Asked the county: no system was breached.")


def suggestions():
    """Answers whatever names the detector suggests."""
    fields = {f.get_attribute("name"): "a name in passing, no target" for f in b.all("#form-targets [name^='said_']")}
    if fields:
        b.send_form("targets", **fields)


def one_case(address, scripts):
    kind = "script" if scripts else "noscript"
    b.log_in(console, "ann", password)
    b.show(WIDE, scripts=scripts)
    b.get(address)
    b.expect(state() == "nominated", f"{kind}: the case begins as {state()}")
    b.look(f"{kind}-1-nominated")
    b.send_form("begin")
    b.expect(state() == "in review", f"{kind}: after begin it is {state()}")
    b.expect("The review has begun" in b.text(), f"{kind}: the page does not say what was done")
    # What says nothing is refused in its place.
    b.send_form("consideration", security="typed and kept", political=" ")
    refused(f"{kind}-2-refused", "is empty: enter it")
    b.expect(b.one("#field-security").get_attribute("value") == "typed and kept", f"{kind}: what was typed is lost")
    b.log_in(console, "eve", password)
    b.get(address)
    records()
    suggestions()
    b.expect(not b.all(".blocks a[href='#form-duties']"), f"{kind}: the recorded duties are still required")
    b.look(f"{kind}-3-recorded")
    b.send_form("approve", comment="Two sources, at night, on new accounts; no fan club is known.")
    b.expect(state() == "approved", f"{kind}: after approve it is {state()}")
    b.send_form("release", seen="yes")
    refused(f"{kind}-4-same-person", "two different people")
    b.expect(state() == "approved", f"{kind}: the approver released it")
    b.log_in(console, "bob", password)
    b.get(address)
    b.send_form("release")
    refused(f"{kind}-5-not-looked", "checked what each recipient will see")
    b.send_form("release", seen="yes")
    b.expect(state() == "released", f"{kind}: after release it is {state()}")
    b.look(f"{kind}-6-released")
    b.send_form("retract", reason="It turned out to be a newsroom’s regional accounts.")
    b.expect(state() == "retracted", f"{kind}: after retract it is {state()}")
    b.look(f"{kind}-7-retracted")


def conflict(address):
    """Somebody else is quicker."""
    b.log_in(console, "ann", password)
    b.get(address)
    stale = b.one("#form-dismiss [name=revision]").get_attribute("value")
    b.send_form("check", finding="Looked at meanwhile.")
    b.driver.execute_script("document.querySelector('#form-dismiss [name=revision]').value = arguments[0]", stale)
    b.send_form("dismiss", reason="A long thought that must not be lost.")
    b.expect(b.all("#conflict"), "a conflict is not said")
    kept = [box.get_attribute("value") for box in b.all("#conflict textarea")]
    b.expect(kept == ["A long thought that must not be lost."], f"a conflict loses what was typed: {kept}")
    b.look("conflict", allowed=[409])


def drawings(address):
    """Choosing an account, the zoom and the keys."""
    b.get(address)
    total = len(b.all("#keys details"))
    acts = Counter(dot.get_attribute("data-a") for dot in b.all("#timeline .dot[data-a]"))
    # An account that only a merged group names has no acts here, and its row says so.
    rows = {name.get_attribute("data-a") for name in b.all("#timeline .name[data-a]")}
    silent = rows - set(acts)
    b.expect(len(b.all("#timeline .absent")) == len(silent), f"an empty row says nothing: {silent}")
    for place in sorted(silent)[:1]:
        Select(b.one("#choose-account")).select_by_value(place)
        b.expect(b.all(f"#graph .node.on[data-a='{place}']"), "an account without acts is not marked in the graph")
        b.expect(not b.all("#timeline .dot.on"), "acts are marked that are not its own")
        b.get(address)
    place = max(acts, key=acts.get)
    Select(b.one("#choose-account")).select_by_value(place)
    b.expect(b.all(f"#graph .node.on[data-a='{place}']"), "the chosen account is not marked in the graph")
    b.expect(b.all("#graph .tie.on"), "its ties are not marked")
    b.expect(b.all(f"#timeline .dot.on[data-a='{place}']"), "its acts are not marked")
    b.expect(b.all(f"#account-table tr.on[data-a='{place}']"), "its row is not marked")
    b.expect(len(b.all("#keys details:not(.off)")) <= total, "choosing an account shows more keys")
    b.expect(f"account={place}" in b.driver.current_url, "the address does not say what is shown")
    b.look("chosen")
    b.accessible("chosen")
    b.get(address)
    stage = b.one("#graph-stage")
    whole = b.one("#graph svg").get_dom_attribute("viewBox")
    stage.send_keys("+", "+")
    near = b.one("#graph svg").get_dom_attribute("viewBox")
    b.expect(near != whole, "the graph does not zoom by keyboard")
    stage.send_keys(Keys.ARROW_RIGHT)
    b.expect(b.one("#graph svg").get_dom_attribute("viewBox") != near, "the graph does not pan by keyboard")
    stage.send_keys("0")
    b.expect(b.one("#graph svg").get_dom_attribute("viewBox").split() == whole.split(), "the graph does not come back")
    box = b.driver.execute_script(
        "const s = document.querySelector('#graph-stage'); s.scrollIntoView({block: 'center'}); s.focus();"
        "const r = s.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]")
    b.cdp("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": box[0], "y": box[1]})
    b.cdp("Input.dispatchMouseEvent", {"type": "mouseWheel", "x": box[0], "y": box[1], "deltaX": 0, "deltaY": -240})
    time.sleep(0.5)
    b.expect(b.one("#graph svg").get_dom_attribute("viewBox") != whole, "the graph does not zoom by the wheel")
    before = b.one("#graph svg").get_dom_attribute("viewBox")
    for kind, dx in [("mousePressed", 0), ("mouseMoved", 40), ("mouseMoved", 80), ("mouseReleased", 80)]:
        b.cdp("Input.dispatchMouseEvent", {"type": kind, "x": box[0] + dx, "y": box[1], "button": "left", "buttons": 1, "clickCount": 1})
    time.sleep(0.3)
    b.expect(b.one("#graph svg").get_dom_attribute("viewBox") != before, "the graph is not dragged by the mouse")
    b.show(TELEPHONE)
    b.get(address)
    box = b.driver.execute_script(
        "const s = document.querySelector('#graph-stage'); s.scrollIntoView({block: 'center'});"
        "const r = s.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]")
    for gap in [30, 60, 90]:
        points = [{"x": box[0] - gap, "y": box[1], "id": 1}, {"x": box[0] + gap, "y": box[1], "id": 2}]
        b.cdp("Input.dispatchTouchEvent", {"type": "touchStart" if gap == 30 else "touchMove", "touchPoints": points})
    b.cdp("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    b.expect(b.one("#graph svg").get_dom_attribute("viewBox") != whole, "the graph does not zoom by two fingers")
    b.show(WIDE)
    b.get(address)
    span = b.one("#timeline .now").text
    b.one("#timeline-stage").send_keys("+", "+", "+")
    b.expect(b.one("#timeline .now").text != span, "the timeline does not zoom")
    b.one("#keys details summary").click()
    b.one("#keys details .to-burst").click()
    b.expect(b.all("#timeline-stage.zoomed"), "a key's burst is not magnified")
    b.look("burst", whole=False)
    # The README's picture.
    b.show(WIDE, height=1180)
    b.get(address + "?sort=nats#show")
    b.look("readme", whole=False)
    b.show(WIDE)
    b.get(address)
    if b.one("#accounts details").get_attribute("open") is None:
        b.one("#accounts summary").click()
    heads = b.all("#account-table th button")
    heads[0].click()
    names = [cell.text for cell in b.all("#account-table tbody td:first-child")]
    plain = [name.replace("_", "").lower() for name in names]
    b.expect(plain[0] <= plain[-1] and len(names) > 1, f"the accounts are not sorted: {names}")
    b.expect(b.all("#account-table th[aria-sort=ascending]"), "the order of the accounts is not said")


def many():
    """One step on several cases, with preview and undo, with and without the script."""
    b.log_in(console, "ann", password)
    for scripts in [True, False]:
        for width in [WIDE, TELEPHONE]:
            b.show(width, scripts=scripts)
            b.get(console)
            boxes = b.all("#queue input[name=case]")
            for box in boxes[:4]:
                box.click()
            if scripts:
                b.expect(b.one("#selected").text == "4 selected", f"it says {b.one('#selected').text!r} of 4 cases")
            Select(b.one("#selection select[name=step]")).select_by_value("begin")
            b.press(b.one("#selection button[type=submit]"))
            name = f"preview-{width}-{scripts}"
            b.expect("Nothing has been changed yet" in b.text(), f"{name}: no preview: {b.text()[:300]!r}")
            applies = len(b.all("#applies tbody tr"))
            b.look(name)
            if scripts:
                b.accessible(name)
            if not b.expect(applies > 0, f"{name}: the step applies to no case"):
                continue
            b.press(b.one("#form-many button[type=submit]"))
            b.expect(f"Done for {applies} case" in b.text(), f"{name}: not done: {b.text()[:300]!r}")
            b.look(f"many-{width}-{scripts}")
            if scripts:
                b.accessible(f"many-{width}-{scripts}")
            b.press(b.one("#form-undo button[type=submit]"))
            b.expect(f"Done for {applies} case" in b.text(), f"{name}: not undone: {b.text()[:300]!r}")
    b.show(WIDE)
    b.get(console)
    for box in b.all("#queue input[name=case]")[:2]:
        box.click()
    b.press(b.one("#selection button[formaction]"))
    b.expect("in common" in b.text() and "/cases/compare?case=" in b.driver.current_url, "two cases are not compared")


def keys():
    b.get(console)
    b.key("j")
    b.expect(b.all("#queue tr.cursor"), "j does not go to the first case")
    b.key("j")
    b.key("k")
    b.key("?")
    b.driver.implicitly_wait(5)
    b.expect(b.all("dialog[open]"), "? does not show the keys")
    b.driver.implicitly_wait(0)
    b.look("help", whole=False)
    b.key(Keys.ESCAPE)
    b.key("x")
    b.expect(b.all("#queue tr.cursor input:checked"), "x does not select the current case")
    first = b.one("#queue tr.cursor a").get_attribute("href")
    b.key(Keys.ENTER)
    b.arrives(first, "enter opens the case")
    b.key("u")
    b.arrives(console, "u leads back")


def watch():
    """A reviewer decides about groups that are not flagged, with and without the script."""
    b.log_in(console, "ann", password)
    b.get(console + "watch")
    groups = [link.get_attribute("href") for link in b.all("#groups td.group a")]
    if not b.expect(len(groups) >= 2, f"there are only {len(groups)} groups on the watch list: {b.text()[:300]!r}"):
        return
    for scripts, address in [(True, groups[-1]), (False, groups[-2])]:
        name = f"watch-{'script' if scripts else 'noscript'}"
        b.show(WIDE, scripts=scripts)
        b.get(address)
        b.look(f"{name}-1-group")
        b.send_form("dismiss", reason=" ")
        refused(f"{name}-2-refused", "the reason is empty")
        b.send_form("watch", reason="until Friday")
        b.expect("Kept on the list as watched" in b.text(), f"{name}: not watched: {b.text()[:300]!r}")
        b.send_form("dismiss", reason="a choir’s own posts")
        b.expect("The group is off the list" in b.text(), f"{name}: not dismissed: {b.text()[:300]!r}")
        b.get(console + "watch")
        b.expect(address not in [link.get_attribute("href") for link in b.all("#groups td.group a")], f"{name}: it is still listed")
        b.get(address)
        b.send_form("put_back", reason="the wrong row")
        b.expect("Back on the list" in b.text(), f"{name}: not put back: {b.text()[:300]!r}")
    b.show(WIDE)
    b.get(console + "watch/sample")
    b.expect("not of operations that it never proposed" in b.text(), "the sample does not say what its recall is of")
    b.get(groups[-1])
    b.send_form("open_case", reason="the same server")
    b.expect("/clusters/" in b.driver.current_url and state() == "nominated", f"no case was opened: {b.driver.current_url}")
    b.look("watch-case")
    # The first one stays on the list, for the pages in every width.
    return groups[0]


def everywhere(address, group):
    """Light, dark and narrow: no sideways scroll, contrast, focus, and no link to a refusal."""
    ids = [link.split("/clusters/")[1] for link in cases]
    pages = [
        ("queue", console),
        ("case", address),
        ("login", console + "login"),
        ("retractions", console + "retractions"),
        ("deliveries", console + "deliveries"),
        ("recipients", console + "partners"),
        ("audit", console + "audit?verify=1"),
        ("help", console + "help"),
        ("watch", console + "watch"),
        ("watch-group", group),
        ("watch-sample", console + "watch/sample"),
        ("appeals", f"{console}appeals?case={ids[0]}"),
        ("compare", f"{console}cases/compare?case={ids[0]}&case={ids[1]}"),
    ]
    for width, scheme in [(WIDE, "light"), (WIDE, "dark"), (TELEPHONE, "light"), (TELEPHONE, "dark")]:
        b.show(width, scheme)
        b.get(address)
        b.within_reach(f"case-{width}-{scheme}", ".sections .to-decision")
        for name, page in pages:
            b.get(page)
            b.driver.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true })")
            b.look(f"{name}-{width}-{scheme}")
            b.accessible(f"{name}-{width}-{scheme}")
    b.show(WIDE)
    for name, page in [("queue", console), ("case", address)]:
        b.get(page)
        b.focus_is_seen(name, 25)
    # Nobody is offered what that person's roles do not allow.
    for person in ["ann", "bob", "eve"]:
        b.log_in(console, person, password)
        for name, page in pages:
            b.get(page)
            b.links_answer(f"{name} for {person}")
            buttons = {form.get_attribute("id") for form in b.all(".decision form")}
            releases = buttons & {"form-release", "form-retract", "form-handover"}
            b.expect(person != "ann" or not releases, f"{name}: ann is offered {releases}")
            b.expect(person != "bob" or not buttons & {"form-approve", "form-dismiss"}, f"{name}: bob is offered {buttons}")
    b.log_in(console, "eve", password)
    b.cdp("Emulation.setEmulatedMedia", {"media": "print"})
    b.get(address)
    b.look("print")
    b.cdp("Emulation.setEmulatedMedia", {"media": ""})
    b.show(WIDE)


try:
    b.show(WIDE)
    b.get(console)
    b.expect("/login" in b.driver.current_url, f"without a login the queue is shown: {b.driver.current_url}")
    b.log_in(console, "ann", password)
    b.get(console)
    b.look("queue-start")
    cases = [link.get_attribute("href") for link in b.all("#queue td.group a")]
    if b.expect(len(cases) >= 3, f"there are only {len(cases)} cases"):
        one_case(cases[0], True)
        b.show(WIDE, scripts=False)
        one_case(cases[1], False)
        b.show(WIDE)
        many()
        group = watch()
        b.log_in(console, "eve", password)
        b.get(cases[2])
        b.send_form("begin")
        everywhere(cases[2], group or console + "watch")
        drawings(cases[2])
        keys()
        conflict(cases[2])
    other = [url for url in b.requests() if not url.startswith((console, "data:", "about:", "chrome"))]
    b.expect(not other, f"the console asks elsewhere: {other}")
finally:
    b.driver.quit()

for problem in b.problems:
    print(f"error: {problem}", file=sys.stderr)
sys.exit(1 if b.problems else 0)
