"""Opens the demo's console and the report in Chromium and says what does not hold.

Usage: pages.py CONSOLE_URL REPORT_URL PROFILE_FOLDER SCREENSHOT_FOLDER AXE_FILE
"""

import sys

from browser import TELEPHONE, WIDE, Browser

console, report, profile, shots, axe = sys.argv[1:]
b = Browser(profile, shots, axe)
LINK = "#queue td.group a[href^='/clusters/']"
try:
    b.show(WIDE)
    b.get(console)
    b.look("demo-list")
    b.accessible("demo-list")
    b.expect("DEMO" in b.text(), "the list does not say that it is a demo")
    links = b.all(LINK)
    b.expect(links, "the list has no cluster")
    light = b.colour()
    if links:
        b.press(links[0])
        cluster = b.driver.current_url
        b.expect("/clusters/" in cluster, f"the first cluster leads to {cluster}")
        b.expect("History of the case" in b.text() and "Evidence against this finding" in b.text(), "the cluster page lacks parts")
        b.expect(b.all("svg.graph"), "the cluster page has no graph")
        b.expect(not b.all(".decision button"), "a visitor of the demo is offered a step")
        b.look("demo-cluster")
        b.accessible("demo-cluster")
        b.driver.back()
        b.expect(b.driver.current_url == console, "back does not lead to the list")
        for name, address in [("demo-list", console), ("demo-cluster", cluster)]:
            b.show(TELEPHONE)
            b.get(address)
            b.look(f"{name}-390")
            b.show(WIDE, "dark")
            b.get(address)
            b.look(f"{name}-dark")
            b.accessible(f"{name}-dark")
            b.expect(b.colour() != light, f"{name}: dark mode is as light as light mode")
    for path in ["retractions", "deliveries", "scoreboard", "partners", "audit?verify=1", "help"]:
        for width, scheme in [(WIDE, "light"), (WIDE, "dark"), (TELEPHONE, "light")]:
            b.show(width, scheme)
            b.get(console + path)
            name = f"demo-{path.split('?')[0]}-{width}-{scheme}"
            b.look(name)
            b.accessible(name)
    # The plot of the scoreboard can be read at both widths: marks do not touch, and nothing is outside of the page.
    for width in [WIDE, TELEPHONE]:
        b.show(width)
        b.get(console + "scoreboard?days=30")
        for part in ["Finding to release", "Release to first fetch", "Start: the case was opened", "All partners"]:
            b.expect(part in b.text(), f"the scoreboard lacks {part!r} at {width}")
        b.expect(b.all(".times circle"), f"the scoreboard has no plot at {width}")
        marks = b.driver.execute_script("return [...document.querySelector('.times .scale').querySelectorAll('text')].map(t => [t.getBoundingClientRect().left, t.getBoundingClientRect().right])")
        b.expect(all(left >= before + 4 for (_, before), (left, _) in zip(marks, marks[1:])), f"marks of the plot touch at {width}: {marks}")
        b.expect(marks and marks[0][0] >= 0 and marks[-1][1] <= width, f"marks of the plot are cut off at {width}: {marks}")
    b.show(WIDE)
    b.get(console)
    b.links_answer("demo-list")
    b.get(console + "clusters/none")
    b.expect("no such cluster" in b.driver.page_source, "an unknown cluster is not said to be unknown")
    b.look("demo-none", allowed=[404])
    other = [url for url in b.requests() if not url.startswith((console, "data:", "about:", "chrome"))]
    b.expect(not other, f"the console asks elsewhere: {other}")

    for name, width, scheme, scripts in [
        ("report", WIDE, "light", True),
        ("report-390", TELEPHONE, "light", True),
        ("report-dark", WIDE, "dark", True),
        ("report-noscript", WIDE, "light", False),
    ]:
        b.show(width, scheme, scripts)
        b.get(report)
        b.look(name)
        if scripts:
            b.accessible(name)
        for part in ["#overview", "#network", "#clusters", "#reading"]:
            b.expect(b.all(f"header nav a[href='{part}']") and b.all(part), f"{name}: the table of contents lacks {part}")
        b.expect(b.all("tr.said q"), f"{name}: no post is quoted")
    b.show(WIDE)
    b.get(report)
    b.focus_is_seen("report", 12)
    whole = b.one("svg.network").get_dom_attribute("viewBox")
    b.one(".zoom button").click()
    b.expect(b.one("svg.network").get_dom_attribute("viewBox") != whole, "the network does not zoom by its button")
    b.driver.execute_script("document.querySelector('#network-stage').focus()")
    b.key("0")
    b.expect(b.one("svg.network").get_dom_attribute("viewBox") == whole, "the key 0 does not show the whole network")
    groups = b.all("svg.network a")
    b.expect(groups, "no cluster is linked from the network")
    if groups:
        target = (groups[0].get_dom_attribute("href") or "").removeprefix("#")
        b.expect(b.all(f"article#{target}"), f"the network leads to {target!r}, which is not there")
    closed = len(b.all("details:not([open])"))
    b.expect(closed > 0, "nothing of the report is closed, so that printing opens nothing")
    b.driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    b.expect(not b.all("details:not([open])"), "parts are closed on paper")
    b.driver.execute_script("dispatchEvent(new Event('afterprint'))")
    b.expect(len(b.all("details:not([open])")) == closed, "parts stay open after printing")
    other = [url for url in b.requests() if not url.startswith((report, "data:", "about:", "chrome"))]
    b.expect(not other, f"the report asks for {other}")
finally:
    b.driver.quit()

for problem in b.problems:
    print(f"error: {problem}", file=sys.stderr)
sys.exit(1 if b.problems else 0)
