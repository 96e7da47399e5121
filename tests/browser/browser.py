"""Chromium for tests: no network but the hub's own origin, everything it logs and requests kept."""
import json
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from hub import wait_for

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--lang=en-US")


class Browser:
    def __init__(self, origin):
        self.origin = origin
        self.profile = tempfile.TemporaryDirectory(prefix="tocsin-browser-", ignore_cleanup_errors=True)
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={self.profile.name}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.size(1280, 800)
        self.scheme("light")

    def close(self):
        self.driver.quit()
        self.profile.cleanup()

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def scheme(self, name):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": name}]})

    def open(self, path="/"):
        self.driver.get(self.origin + path)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector, seconds=10):
        """The first visible element, waited for."""
        return wait_for(lambda: (self.visible(selector) or [None])[0], seconds, selector)

    def visible(self, selector):
        """Chosen in one go, because the page may replace elements meanwhile."""
        return self.run("return [...document.querySelectorAll(arguments[0])].filter(e => e.getClientRects().length)", selector)

    def texts(self, selector):
        """Read in one go, so that a list that moves meanwhile is seen as it was at one moment."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)

    def wait_text(self, selector, text, seconds=10):
        wait_for(lambda: any(text in found for found in self.texts(selector)), seconds, f"{text!r} in {selector}")

    def wait_gone(self, selector):
        wait_for(lambda: not self.visible(selector), 10, f"the end of {selector}")

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def path(self):
        return self.run("return location.pathname + location.search + location.hash")

    def log_in(self, token):
        self.open("/")
        self.one("#token").send_keys(token, Keys.ENTER)
        self.one(".bar")

    def errors(self):
        """What the console holds against the page since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def foreign_requests(self):
        """Addresses asked for that are not the hub's."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                params = message["params"]
                url = params.get("request", params).get("url", "")
                if not url.startswith((self.origin + "/", "data:", "chrome", "about:")):
                    found.append(url)
        return found
