"""One hub and one browser for a file of tests; every test starts logged out and ends without complaints."""
import http.server
import pathlib
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from browser import Browser  # noqa: E402
from hub import Hub, wait_for  # noqa: E402


class Receiver(http.server.ThreadingHTTPServer):
    """Answers every POST with `status`; remembers how many came."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.server.count += 1
                self.send_response(self.server.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.count = 200, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


@pytest.fixture(scope="module")
def refuser():
    receiver = Receiver()
    receiver.status = 400
    yield receiver
    receiver.shutdown()


@pytest.fixture(scope="module")
def hub(tmp_path_factory, refuser):
    folder = tmp_path_factory.mktemp("hub")
    rules = folder / "rules.yaml"
    rules.write_text("")
    hub = Hub(folder, {"rules_files": [str(rules)], "outputs": {
        "archive": {"type": "file", "path": str(folder / "alerts.json")},
        "urgent": {"type": "file", "path": str(folder / "urgent.json"), "minimum_priority": "critical"},
        "refuser": {"type": "webhook", "url": refuser.url, "minimum_priority": "emergency"},
    }}).start()
    hub.rules = rules
    hub.origin = f"http://127.0.0.1:{hub.admin_port}"
    hub.token = (folder / "data" / "admin.token").read_text().strip()
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def chromium(hub):
    browser = Browser(hub.origin)
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium, request):
    chromium.size(1280, 800)
    chromium.scheme("light")
    chromium.open("/icon.svg")
    chromium.driver.delete_all_cookies()
    chromium.errors()
    yield chromium
    expected = request.node.get_closest_marker("expects")
    errors = [e for e in chromium.errors() if not expected or not any(part in e for part in expected.args)]
    assert not errors
    assert not chromium.foreign_requests()


@pytest.fixture
def page(browser, hub):
    """The browser, logged in, on the list of alerts."""
    browser.log_in(hub.token)
    wait_for(lambda: browser.all(".live[data-state=live]"), 10, "the live stream")
    return browser


def pytest_configure(config):
    config.addinivalue_line("markers", "expects(text, …): console errors that belong to the test")
