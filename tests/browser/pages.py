"""Opens the console and the report in Chromium and says what does not hold.

Usage: pages.py CONSOLE_URL REPORT_URL PROFILE_FOLDER SCREENSHOT_FOLDER
"""

import base64
import json
import pathlib
import sys

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

console, report, profile, shots = sys.argv[1:]
WIDE, TELEPHONE = 1200, 390
problems = []


def expect(holds, what):
    if not holds:
        problems.append(what)


def browser():
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
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def show(width, scheme="light", scripts=True):
    """How pages are shown from here on."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == TELEPHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})


def look(name):
    """A screenshot of the whole page, and what holds for every page."""
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})
    visible, content = size["cssLayoutViewport"]["clientWidth"], size["cssContentSize"]["width"]
    expect(content <= visible, f"{name}: the page is {content} px wide where {visible} px are to be seen")
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {
        "x": 0, "y": 0, "width": content, "height": min(size["cssContentSize"]["height"], 8000), "scale": 1}})
    pathlib.Path(shots, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
    for entry in driver.get_log("browser"):
        # A favicon that is not there is asked for by the browser, not by the page.
        expect("favicon.ico" in entry["message"], f"{name}: {entry['level']}: {entry['message']}")


def requests():
    """Addresses asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
    return [event["params"]["request"]["url"] for event in sent]


def colour():
    """What the page is painted on."""
    names = ["body", "html"]
    found = [driver.find_element(By.TAG_NAME, name).value_of_css_property("background-color") for name in names]
    return next((value for value in found if not value.endswith(", 0)")), found[0])


driver = browser()
try:
    show(WIDE)
    driver.get(console)
    look("list")
    expect("DEMO" in driver.find_element(By.TAG_NAME, "body").text, "the list does not say that it is a demo")
    links = driver.find_elements(By.CSS_SELECTOR, ".list a[href^='/clusters/']")
    expect(links, "the list has no cluster")
    light = colour()
    if links:
        links[0].click()
        cluster = driver.current_url
        expect("/clusters/" in cluster, f"the first cluster leads to {cluster}")
        text = driver.find_element(By.TAG_NAME, "body").text
        expect("lockstep" in text.lower() and "History of the case" in text, "the cluster page lacks parts")
        expect(driver.find_elements(By.TAG_NAME, "svg"), "the cluster page has no picture")
        look("cluster")
        driver.back()
        expect(driver.current_url == console, "back does not lead to the list")
        for name, address in [("list", console), ("cluster", cluster)]:
            show(TELEPHONE)
            driver.get(address)
            look(f"{name}-390")
            show(WIDE, "dark")
            driver.get(address)
            look(f"{name}-dark")
            expect(colour() != light, f"{name}: dark mode is as light as light mode")
        show(WIDE, scripts=False)
        driver.get(console)
        driver.find_element(By.CSS_SELECTOR, ".list a[href^='/clusters/']").click()
        expect(driver.current_url == cluster, "the list does not work without scripts")
        look("cluster-noscript")
    show(WIDE)
    driver.get(console + "clusters/none")
    expect("no such cluster" in driver.page_source, "an unknown cluster is not said to be unknown")
    driver.get_log("browser")
    other = [url for url in requests() if not url.startswith((console, "data:", "about:", "chrome"))]
    expect(not other, f"the console asks elsewhere: {other}")

    for name, width, scheme, scripts in [
        ("report", WIDE, "light", True),
        ("report-390", TELEPHONE, "light", True),
        ("report-dark", WIDE, "dark", True),
        ("report-noscript", WIDE, "light", False),
    ]:
        show(width, scheme, scripts)
        driver.get(report)
        look(name)
    other = [url for url in requests() if not url.startswith((report, "data:", "about:", "chrome"))]
    expect(not other, f"the report asks for {other}")
finally:
    driver.quit()

for problem in problems:
    print(f"error: {problem}", file=sys.stderr)
print(f"screenshots in {shots}")
sys.exit(1 if problems else 0)
