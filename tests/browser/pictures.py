"""Makes the pictures of the guides: the console with simulated posts, as a reviewer and an approver see it.

Usage: pictures.py CONSOLE_URL PASSWORD PROFILE_FOLDER PICTURES_FOLDER
"""

import base64
import sys

from browser import Browser

console, password, profile, pictures = sys.argv[1:]
b = Browser(profile, pictures)


def picture(name, selector=None, most=900):
    """What is on the screen, or one part of the page, at most so high."""
    if selector is None:
        shot = b.cdp("Page.captureScreenshot", {})
    else:
        # Parts of the page are laid out when they come near the screen.
        for part in b.all("section"):
            b.driver.execute_script("arguments[0].scrollIntoView()", part)
        b.driver.execute_script("window.scrollTo(0, 0)")
        box = b.driver.execute_script(
            "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [r.x + scrollX, r.y + scrollY, r.width, r.height];", selector)
        clip = {"x": box[0], "y": box[1], "width": box[2], "height": min(box[3], most), "scale": 1}
        shot = b.cdp("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    (b.shots / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


try:
    # A scrollbar would go while a part beyond the screen is taken, and move it.
    b.cdp("Emulation.setScrollbarsHidden", {"hidden": True})
    b.show(1180, height=640)
    b.log_in(console, "eve", password)
    b.get(console)
    cases = [link.get_attribute("href") for link in b.all("#queue td.group a")]
    if len(cases) < 3:
        raise SystemExit(f"error: there are only {len(cases)} cases")
    b.get(cases[0])
    b.send_form("begin")
    b.get(console)
    picture("queue")
    b.show(1180, height=820)
    b.get(cases[0])
    picture("case")
    picture("timeline", "#timeline", 620)
    picture("recipients", "#recipients")
    b.show(1180, height=1000)
    b.get(cases[0])
    picture("decide", "#decision", 1000)
    # A case that was released and withdrawn.
    b.show(1280)
    b.get(cases[1])
    b.send_form("begin")
    fields = {f.get_attribute("name"): "a name in passing, no target" for f in b.all("#form-targets [name^='said_']")}
    b.send_form("check", finding="Public posts only; nothing gives away how it is known.")
    b.send_form("targets", name_0="Ohio Secretary of State", kind_0="election_office", recipient_0="oh-secretary-of-state", **fields)
    b.send_form("consideration", security="No investigation is known.", political="Nothing that changes whom the rules name.")
    b.send_form("duties", duty_0="State breach notice law", whom_0="The county notifies its voters")
    b.send_form("breaches", why="Asked the county: no system was breached.")
    b.send_form("approve", comment="Two sources, at night, on new accounts; no fan club is known.")
    b.log_in(console, "bob", password)
    b.get(cases[1])
    b.send_form("release", seen="yes")
    b.send_form("retract", reason="It turned out to be a newsroom’s regional accounts.")
    b.show(1180, height=560)
    b.get(console + "retractions")
    picture("withdrawals")
finally:
    b.driver.quit()
