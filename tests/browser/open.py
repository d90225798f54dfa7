"""Opens a file of posts with `lockstep open`, corrects a column, looks for groups, and says what does not hold.

Usage: open.py OPEN_URL PROFILE_FOLDER SCREENSHOT_FOLDER AXE_FILE
The file is posts.csv, whose column of texts is called "wording".
"""

import sys

from browser import TELEPHONE, WIDE, Browser
from selenium.webdriver.support.ui import Select, WebDriverWait

page, profile, shots, axe = sys.argv[1:]
b = Browser(profile, shots, axe)
try:
    for width, scheme in [(WIDE, "light"), (WIDE, "dark"), (TELEPHONE, "light")]:
        b.show(width, scheme)
        b.get(page)
        b.look(f"open-{width}-{scheme}")
        b.accessible(f"open-{width}-{scheme}")
    # Without a script, as with one.
    b.show(WIDE, scripts=False)
    b.get(page)
    rows = {row.find_element("css selector", "th").text: row for row in b.all("table.mapping tbody tr")}
    wording = rows.get("wording")
    if b.expect(wording, f"the page lacks the column wording: {sorted(rows)}"):
        b.expect("not read" in wording.text, f"wording is not said to be unread: {wording.text}")
        Select(wording.find_element("css selector", "select")).select_by_value("text")
        b.press(b.one("button[formaction='/mapping']"))
        rows = {row.find_element("css selector", "th").text: row for row in b.all("table.mapping tbody tr")}
        chosen = Select(rows["wording"].find_element("css selector", "select")).first_selected_option.text
        b.expect(chosen == "text", f"the choice is not kept: {chosen}")
        b.expect('"text":"' in b.driver.page_source.replace("&quot;", '"').replace("&#34;", '"'), "no post has a text now")
        b.press(b.one("button[formaction='/run']"))
        WebDriverWait(b.driver, 300).until(lambda driver: driver.current_url.endswith("/out/report.html"))
        b.look("open-report")
        b.expect("flagged" in b.text(), "the report says nothing of flagged groups")
        b.get(page)
        names = [link.text for link in b.all("#results a")]
        b.expect({"report.html", "clusters.jsonl", "accounts.csv"} <= set(names), f"the results lack files: {names}")
        b.look("open-done")
        # axe is a script.
        b.show(WIDE)
        b.get(page)
        b.accessible("open-done")
    other = [url for url in b.requests() if not url.startswith((page, "data:", "about:", "chrome"))]
    b.expect(not other, f"the page asks elsewhere: {other}")
finally:
    b.driver.quit()

for problem in b.problems:
    print(f"error: {problem}", file=sys.stderr)
sys.exit(1 if b.problems else 0)
