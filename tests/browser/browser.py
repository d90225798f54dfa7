"""Chromium as the scripts here use it, and what holds for every page."""

import base64
import json
import pathlib

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import Select, WebDriverWait

WIDE, TELEPHONE = 1280, 390

# What is wrong with any page: ids that occur twice, fields without a name for screen readers, cells so narrow that a word has
# letters on many lines, and evidence that is cut off.
FAULTS = """
const faults = [];
const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) faults.push(`the id ${id} occurs twice`);
const seen = (element) => element.checkVisibility({ contentVisibilityAuto: true }) && element.getClientRects().length > 0;
for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
  const named = field.labels?.length || field.getAttribute('aria-label') || field.getAttribute('aria-labelledby');
  if (!named) faults.push(`a field has no name: ${field.outerHTML.slice(0, 120)}`);
}
for (const cell of document.querySelectorAll('td, th')) {
  if (!seen(cell) || cell.querySelector('.hidden')) continue;
  const word = Math.max(0, ...cell.textContent.trim().split(/[^\\p{L}]+/u).map((word) => word.length));
  if (word >= 5 && cell.getBoundingClientRect().width < 34) faults.push(`a cell is too narrow: ${cell.textContent.trim().slice(0, 40)}`);
}
for (const key of document.querySelectorAll('.keys summary > *')) {
  if (seen(key) && (key.scrollHeight > key.clientHeight + 1 && getComputedStyle(key).overflowY === 'hidden')) {
    faults.push(`evidence is cut off: ${key.textContent.trim().slice(0, 60)}`);
  }
}
return faults;
"""



class Browser:
    def __init__(self, profile, shots, axe=None):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
        ]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.shots = pathlib.Path(shots)
        self.axe = pathlib.Path(axe).read_text() if axe else None
        self.problems = []
        # Whether pages may run scripts.
        self.scripts = True

    def expect(self, holds, what):
        if not holds:
            self.problems.append(what)
        return holds

    def show(self, width, scheme="light", scripts=True, height=900):
        """How pages are shown from here on."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width == TELEPHONE}
        self.cdp("Emulation.setDeviceMetricsOverride", size)
        # Without motion, so that what is clicked is where it was.
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.cdp("Emulation.setEmulatedMedia", {"features": features})
        self.cdp("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.scripts = scripts

    def cdp(self, command, arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def get(self, address):
        self.driver.get(address)

    def press(self, element):
        """Chooses what leads to another page, and waits for that page."""
        page = self.one("html")
        element.click()

        def gone(_):
            try:
                page.is_enabled()
            except WebDriverException:
                return True
            return False

        WebDriverWait(self.driver, 15).until(gone)

    def log_in(self, console, name, password):
        """Logs a person in at the console, in place of whoever was logged in."""
        self.driver.delete_all_cookies()
        self.get(console + "login")
        self.one("input[name=name]").send_keys(name)
        self.one("input[name=password]").send_keys(password)
        self.press(self.one("main button[type=submit]"))
        if not self.all(".who") or name not in self.one(".who").text:
            raise SystemExit(f"error: {name} is not logged in: {self.text()!r}")

    def send_form(self, form, **fields):
        """Fills in a form on the page of a case and sends it."""
        box = self.one(f"#form-{form}")
        if box.tag_name == "details" and box.get_attribute("open") is None:
            self.one(f"#form-{form} summary").click()
        for name, value in fields.items():
            field = self.one(f"#form-{form} [name='{name}']")
            if field.get_attribute("type") == "checkbox":
                field.click()
            elif field.tag_name == "select":
                Select(field).select_by_value(value)
            else:
                field.clear()
                field.send_keys(value)
        button = self.one(f"#form-{form} button[type=submit]")
        if self.scripts:
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        self.press(button)

    def arrives(self, address, what):
        """Waits for an address."""
        try:
            WebDriverWait(self.driver, 10).until(expected_conditions.url_to_be(address))
        except TimeoutException:
            self.expect(False, f"not so: {what}; it is at {self.driver.current_url} and not at {address}")

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self):
        return self.one("body").text

    def look(self, name, whole=True, allowed=()):
        """A screenshot of the page, and what holds for every page. `allowed` are answers that are meant to be refusals."""
        size = self.cdp("Page.getLayoutMetrics", {})
        visible, content = size["cssLayoutViewport"]["clientWidth"], size["cssContentSize"]["width"]
        self.expect(content <= visible, f"{name}: the page is {content} px wide where {visible} px are to be seen")
        for fault in self.driver.execute_script(FAULTS):
            self.expect(False, f"{name}: {fault}")
        height = min(size["cssContentSize"]["height"], 8000) if whole else size["cssLayoutViewport"]["clientHeight"]
        clip = {"x": 0, "y": 0, "width": content, "height": height, "scale": 1}
        shot = self.cdp("Page.captureScreenshot", {"captureBeyondViewport": whole, **({"clip": clip} if whole else {})})
        (self.shots / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
        for entry in self.driver.get_log("browser"):
            # Chromium writes a line for every answer of 400 and above; where it was meant, that is no error.
            meant = any(f"status of {status}" in entry["message"] for status in allowed)
            self.expect(meant, f"{name}: {entry['level']}: {entry['message']}")

    def accessible(self, name):
        """WCAG 2 A and AA as far as axe-core can tell, contrast among it."""
        if self.axe is None:
            return
        self.cdp("Runtime.evaluate", {"expression": self.axe})
        rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
        found = self.cdp(
            "Runtime.evaluate",
            {
                "expression": f"axe.run(document, {json.dumps(rules)}).then((r) => JSON.stringify(r.violations.map((v) => [v.id, v.help, v.nodes.length, v.nodes[0].html.slice(0, 160), v.nodes[0].failureSummary])))",
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        violations = json.loads(found["result"]["value"])
        for rule, text, n, html, summary in violations:
            self.expect(False, f"{name}: {rule} ({text}), {n} times, for example {html}: {summary}")

    def focus_is_seen(self, name, steps):
        """Every stop of the tab key is marked."""
        for _ in range(steps):
            self.cdp("Input.dispatchKeyEvent", {"type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9})
            self.cdp("Input.dispatchKeyEvent", {"type": "keyUp", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9})
            found = self.driver.execute_script(
                """const e = document.activeElement, s = getComputedStyle(e);
                return [e.outerHTML.slice(0, 120), s.outlineStyle, parseFloat(s.outlineWidth)];"""
            )
            if not self.expect(found[1] != "none" and found[2] >= 2, f"{name}: focus is not seen on {found[0]}"):
                return

    def links_answer(self, name):
        """No link of the page leads to a refusal."""
        refused = self.driver.execute_async_script(
            """const done = arguments[arguments.length - 1];
            const links = new Set([...document.querySelectorAll('a[href]')].map((a) => a.href.split('#')[0]).filter((href) => href.startsWith(location.origin)));
            Promise.all([...links].map((href) => fetch(href).then((answer) => (answer.ok ? '' : `${answer.status} ${href}`))))
              .then((all) => done(all.filter((text) => text)));"""
        )
        self.expect(not refused, f"{name}: links lead to refusals: {refused}")

    def within_reach(self, name, selector):
        """The element is on the screen, wherever the reader has scrolled."""
        outside = self.driver.execute_script(
            """const found = document.querySelector(arguments[0]), outside = [];
            for (const part of [0, 0.3, 0.6]) {
              window.scrollTo({ top: part * document.documentElement.scrollHeight, behavior: 'instant' });
              const box = found.getBoundingClientRect();
              const wide = document.documentElement.clientWidth;
              if (box.left < 0 || box.right > wide + 1 || (part > 0 && (box.top < -1 || box.bottom > innerHeight))) outside.push(part);
            }
            window.scrollTo({ top: 0, behavior: 'instant' });
            return outside;""",
            selector,
        )
        self.expect(not outside, f"{name}: {selector} is off the screen after scrolling to {outside} of the page")

    def key(self, text):
        """A key pressed wherever the focus is."""
        self.driver.switch_to.active_element.send_keys(text)

    def colour(self):
        """What the page is painted on."""
        found = [self.one(name).value_of_css_property("background-color") for name in ["body", "html"]]
        return next((value for value in found if not value.endswith(", 0)")), found[0])

    def requests(self):
        """Addresses asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]
