"""The web UI in a real browser against a real hub."""
import json
import re
import uuid

import pytest
from selenium.webdriver.common.keys import Keys

from hub import alert, wait_for

SHELL = {"evt.type": "openat", "fd.name": "/bin/surprise", "proc.name": "touch", "proc.pid": 4242, "proc.pname": "bash",
         "proc.ppid": 4100, "proc.aname[2]": "sshd", "proc.aname[3]": "systemd", "user.name": "root"}


def send(hub, **changes):
    """Posts an alert; returns its rule, which nothing else in the journal has."""
    rule = changes.pop("rule", None) or f"Rule {uuid.uuid4().hex[:12]}"
    status, _, answer = hub.post(alert(rule=rule, **changes))
    assert status == 200, answer
    return rule


def open_alert(page, rule):
    """Opens the row of a rule; returns it when its deliveries are there."""
    page.wait_text(".row .rule", rule)
    row = next(row for row in page.all(".row") if rule in row.text)
    row.find_element("css selector", ".toggle").click()
    page.one(".row.opened .deliveries")
    return row


# --- logging in --------------------------------------------------------------------------------------


@pytest.mark.expects("/api/v1/login")
def test_a_wrong_token_is_refused_and_the_right_one_opens(browser, hub):
    browser.open("/")
    field = browser.one("#token")
    field.send_keys("not the token at all", Keys.ENTER)
    browser.wait_text("[role=alert]", "not the token")
    assert not browser.all(".bar")
    field.clear()
    field.send_keys(hub.token, Keys.ENTER)
    browser.one(".bar")
    assert browser.run("return document.cookie") == ""
    cookie = browser.driver.get_cookie("tocsin_session")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert browser.run("return localStorage.length + sessionStorage.length") == 0


@pytest.mark.expects("/api/v1/login")
def test_a_login_link_works_once_and_leaves_the_address(browser, hub):
    token = hub.api("POST", "/api/v1/login-token")[1]["token"]
    browser.open(f"/#token={token}")
    browser.one(".bar")
    assert browser.path() == "/"
    browser.driver.delete_all_cookies()
    browser.open("/icon.svg")
    browser.open(f"/#token={token}")
    browser.wait_text("[role=alert]", "used before")
    assert browser.path() == "/"


def test_logging_out_ends_the_session(page, hub):
    cookie = page.driver.get_cookie("tocsin_session")["value"]
    next(button for button in page.all("#top button") if button.text == "Log out").click()
    page.one("form.login")
    status, _, _ = hub.request("GET", "/api/v1/status", None, {"Cookie": f"tocsin_session={cookie}"}, hub.admin_port)
    assert status == 401


# --- alerts ------------------------------------------------------------------------------------------


def test_a_new_alert_appears_by_itself_on_top(page, hub):
    rule = send(hub, hostname="node-live")
    page.wait_text(".row:first-child .rule", rule, 3)
    assert page.texts(".row:first-child .host") == ["node-live"]
    assert page.texts(".row:first-child .pri") == ["Warning"]
    title = page.one(".row:first-child time").get_attribute("title")
    assert re.match(r"2026-11-20T12:00:00\.\d+Z \(UTC\)", title)


def test_filters_are_in_the_address_and_can_be_shared(page, hub):
    mark = uuid.uuid4().hex
    one = send(hub, hostname=f"a-{mark}", priority="Error", output=f"x {mark} needle")
    other = send(hub, hostname=f"b-{mark}", priority="Notice", output=f"y {mark}")
    page.one("#q").send_keys(mark)
    wait_for(lambda: sorted(page.texts(".row .rule")) == sorted([one, other]), 10, "both alerts")
    page.one("#priority").send_keys("Error and above")
    wait_for(lambda: page.texts(".row .rule") == [one], 10, "the one that is severe")
    assert f"q={mark}" in page.path() and "priority=error" in page.path()

    # What comes later passes the same filter.
    send(hub, priority="Notice", output=f"z {mark}")
    third = send(hub, priority="Critical", output=f"z {mark}")
    wait_for(lambda: page.texts(".row .rule") == [third, one], 10, "the live alert that passes")

    shared = page.path()
    page.open(shared)
    wait_for(lambda: page.texts(".row .rule") == [third, one], 10, "the same list from the address")
    assert page.one("#q").get_attribute("value") == mark

    next(button for button in page.all(".row .host") if button.text == f"a-{mark}").click()
    wait_for(lambda: page.texts(".row .rule") == [one], 10, "one host's alerts")
    page.wait_text(".chip", f"a-{mark}")
    page.one(".chip").click()
    wait_for(lambda: page.texts(".row .rule") == [third, one], 10, "the filter's end")
    page.driver.back()
    wait_for(lambda: page.texts(".row .rule") == [one], 10, "the filter of before")


def test_no_match_is_said_so(page):
    page.one("#q").send_keys(f"nobody says {uuid.uuid4().hex}")
    page.wait_text(".state-title", "Nothing matches")
    page.one(".state .button").click()
    wait_for(lambda: page.path() == "/", 5, "the address without filters")


def test_details_show_fields_ancestry_raw_text_and_deliveries(page, hub):
    rule = send(hub, output_fields=SHELL, priority="Emergency", output="12:00:00.000000000: Emergency it was written")
    page.wait_text(".row .rule", rule)
    wait_for(lambda: hub.api("GET", f"/api/v1/alerts?rule={rule.replace(' ', '+')}")[1]["alerts"], 5, "the alert")
    seq = hub.api("GET", f"/api/v1/alerts?rule={rule.replace(' ', '+')}")[1]["alerts"][0]["seq"]
    wait_for(lambda: all(d["state"] != "pending" for d in hub.api("GET", f"/api/v1/alerts/{seq}")[1]["deliveries"]), 20,
             "all deliveries")
    row = open_alert(page, rule)
    assert page.texts(".row.opened .ancestry bdi") == ["systemd", "sshd", "bash", "touch"]
    fields = dict(zip(page.texts(".fields th"), page.texts(".fields td")))
    assert fields["fd.name"] == "/bin/surprise" and fields["proc.pid"] == "4242"
    states = dict(zip(page.texts(".deliveries th"), page.texts(".deliveries .badge")))
    assert states == {"archive": "delivered", "urgent": "delivered", "refuser": "dead"}
    page.wait_text(".deliveries tr", "400")
    row.find_element("css selector", ".raw summary").click()
    text = page.one(".raw pre").text
    assert json.loads(text)["output_fields"]["proc.name"] == "touch"

    # A value filters by itself.
    next(button for button in page.all(".fields td button") if button.text == "/bin/surprise").click()
    wait_for(lambda: "q=%2Fbin%2Fsurprise" in page.path(), 5, "the value in the address")


def test_what_is_suppressed_says_why(page, hub):
    rule = send(hub, priority="Notice")
    open_alert(page, rule)
    row = next(text for text in page.texts(".deliveries tr") if text.startswith("urgent"))
    assert "suppressed" in row and "minimum priority" in row


def test_a_permalink_opens_its_alert(page, hub):
    rule = send(hub, output_fields=SHELL)
    wait_for(lambda: hub.api("GET", f"/api/v1/alerts?rule={rule.replace(' ', '+')}")[1]["alerts"], 5, "the alert")
    seq = hub.api("GET", f"/api/v1/alerts?rule={rule.replace(' ', '+')}")[1]["alerts"][0]["seq"]
    send(hub)
    page.open(f"/?at={seq}")
    page.wait_text(".row.opened .rule", rule)
    page.wait_text(".news", "newest")


HOSTILE = {
    "markup": "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>",
    "attribute": "\"><svg onload=window.pwned=1>' onmouseover='window.pwned=1",
    "address": "javascript:window.pwned=1//http://evil.example/x.png",
}


def test_hostile_text_is_shown_as_text(page, hub):
    text = HOSTILE["markup"]
    rule = send(hub, rule=f"{text} {uuid.uuid4().hex[:8]}", hostname=HOSTILE["attribute"], output=f"{text} {HOSTILE['address']}",
                tags=[text], output_fields={"proc.name": text, text: HOSTILE["attribute"], "fd.name": HOSTILE["address"],
                                            "proc.pname": HOSTILE["attribute"]})
    row = open_alert(page, rule)
    row.find_element("css selector", ".raw summary").click()
    assert text in page.texts(".row.opened .rule")[0]
    assert HOSTILE["attribute"] in page.texts(".row.opened .host")
    assert page.run("return window.pwned") is None
    assert page.run("return document.querySelectorAll('main img, main script, main svg, main iframe').length") == 0


def test_what_reorders_or_hides_is_named(page, hub):
    body = json.dumps(alert(rule="Bidi", hostname="bidi", output="photo\u202egpj.exe \u200bhidden \u001b[31mred",
                            output_fields={"fd.name": "BYTES"}), ensure_ascii=False).encode()
    status, _, _ = hub.post(body.replace(b"BYTES", b"/tmp/\xff\xfe.sh"))
    assert status == 200
    row = open_alert(page, "Bidi")
    shown = page.texts(".row.opened .output-text")[0]
    assert shown == "photo\\u{202e}gpj.exe \\u{200b}hidden \\x1b[31mred"
    assert dict(zip(page.texts(".fields th"), page.texts(".fields td")))["fd.name"] == "/tmp/\\xff\\xfe.sh"
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", row.text)


def test_a_pause_holds_new_alerts_back_and_counts_them(page, hub):
    first = send(hub)
    page.wait_text(".row .rule", first)
    page.press("p")
    page.wait_text(".live", "Paused")
    second, third = send(hub), send(hub)
    page.wait_text(".news", "2 new alerts")
    assert second not in page.texts(".row .rule")
    page.press("p")
    page.wait_text(".row:first-child .rule", third)
    assert second in page.texts(".row .rule")
    page.wait_gone(".news")


def test_the_page_stays_bounded_and_older_alerts_can_be_loaded(page, hub):
    mark = uuid.uuid4().hex
    body = "\n".join(json.dumps(alert(rule=f"Flood {number} {mark}", output=mark)) for number in range(700))
    assert hub.events(body)[0] in (200, 202)
    page.wait_text(".row:first-child .rule", f"Flood 699 {mark}", 30)
    assert len(page.texts(".row")) <= 500
    page.open(f"/?q={mark}")
    wait_for(lambda: len(page.texts(".row")) == 100, 10, "a page of alerts")
    for count in (200, 300, 400, 500):
        page.run("document.querySelector('.older').click()")
        wait_for(lambda: len(page.texts(".row")) == count, 10, f"{count} rows")
    page.run("document.querySelector('.older').click()")
    page.wait_text(".row:last-child .rule", f"Flood 100 {mark}")
    assert len(page.texts(".row")) == 500
    page.wait_text(".news", "newest")
    page.run("document.querySelector('.news').click()")
    page.wait_text(".row:first-child .rule", f"Flood 699 {mark}")


# --- outputs and status ------------------------------------------------------------------------------


def test_outputs_show_their_state_and_dead_letters_can_be_replayed(page, hub, refuser):
    send(hub, priority="Emergency")
    page.open("/outputs")
    page.wait_text(".card h2", "refuser")
    assert sorted(page.texts(".card h2")) == ["archive", "refuser", "urgent"]
    page.wait_text(".card .badge", "Idle")
    page.one(".dead summary", 20).click()
    page.wait_text(".letter", "400")
    refuser.status = 200
    before = refuser.count
    next(button for button in page.all(".dead .actions button") if button.text == "Replay all").click()
    page.wait_text("#toast", "on the way again")
    wait_for(lambda: refuser.count > before, 20, "the replayed letter at the far side")
    wait_for(lambda: not hub.api("GET", "/api/v1/dead-letters")[1]["letters"], 20, "the end of the dead letters")
    page.wait_gone(".letter")
    seq = hub.api("GET", "/api/v1/alerts?priority=emergency")[1]["alerts"][0]["seq"]
    states = {d["output"]: d["state"] for d in hub.api("GET", f"/api/v1/alerts/{seq}")[1]["deliveries"]}
    assert states["refuser"] == "delivered"
    refuser.status = 400


def test_status_shows_version_journal_and_configuration_without_secrets(page, hub):
    page.open("/status")
    page.wait_text(".card h2", "Journal")
    page.wait_text(".badge", "writing")
    page.one("details summary").click()
    page.wait_text("details pre", "data_dir")
    assert hub.token not in page.driver.page_source


# --- everywhere --------------------------------------------------------------------------------------


def test_a_narrow_window_has_no_horizontal_scroll(page, hub):
    page.size(360, 700)
    rule = send(hub, rule="R" * 180, hostname="h" * 120, output="o" * 400,
                output_fields={"proc.cmdline": "c" * 900, "proc.name": "n" * 60, "k" * 90: "v"})
    open_alert(page, rule)
    for path in (None, "/outputs", "/status"):
        if path:
            page.open(path)
            page.one(".card")
        assert page.run("return document.scrollingElement.scrollWidth") <= 360, path


def test_the_keyboard_is_enough(page, hub):
    older, newer = send(hub), send(hub)
    page.wait_text(".row .rule", older)
    page.wait_text(".row:first-child .rule", newer)
    page.press("/")
    assert page.run("return document.activeElement.id") == "q"
    page.press(Keys.ESCAPE)
    assert page.run("return document.activeElement.id") == ""
    page.press("j")
    page.press("j")
    focused = "return document.activeElement.closest('.row').querySelector('.rule').textContent"
    assert page.run(focused) == older
    page.press("k")
    assert page.run(focused) == newer
    page.press(Keys.ENTER)
    page.one(".row.opened .deliveries")
    assert page.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    outline = page.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.press(Keys.ESCAPE)
    page.wait_gone(".row.opened")
    page.press("?")
    page.one("dialog[open]")
    page.press(Keys.ESCAPE)
    page.wait_gone("dialog")


CONTRAST = """
const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 && m[3] === 0 ? null : m.slice(0, 3); };
const background = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c) return c; } return [255, 255, 255]; };
const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
return [...document.querySelectorAll('main *, #top *')].filter((e) => e.offsetParent && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(background(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40)];
}).filter(([ratio]) => ratio < 4.5);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_are_readable(page, hub, scheme):
    page.scheme(scheme)
    rules = [send(hub, priority=priority) for priority in ("Critical", "Error", "Warning", "Notice", "Informational", "Debug")]
    page.wait_text(".row .rule", rules[-1])
    open_alert(page, rules[0])
    for path in (None, "/outputs", "/status"):
        if path:
            page.open(path)
            page.one(".card")
        ground = page.run("return getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", ground)[0]) < 60) == (scheme == "dark")
        assert page.run(CONTRAST) == []


@pytest.mark.expects("ERR_", "Failed to load resource")
def test_the_stream_goes_on_after_the_hub_was_away(page, hub):
    before = send(hub)
    page.wait_text(".row .rule", before)
    hub.settings["admin"]["listen"] = f"127.0.0.1:{hub.admin_port}"
    hub.stop()
    page.wait_text(".live", "Reconnecting")
    hub.start()
    after = send(hub)
    page.wait_text(".row:first-child .rule", after, 20)
    page.wait_text(".live", "Live")
    assert page.texts(".row .rule").count(before) == 1


# --- rules -------------------------------------------------------------------------------------------

RULE = """
- rule: {name}
  desc: what it is for
  condition: evt.type = openat and fd.name = /a
  output: opened %fd.name
  priority: WARNING
  tags: [filesystem, T1548]
"""


def test_rules_are_listed_and_files_that_do_not_load_show_on_every_page(page, hub):
    hub.rules.write_text(RULE.format(name="First <b>rule</b>"))
    page.open("/rules")
    page.wait_text("tbody th", "First <b>rule</b>")
    page.wait_text(".badge", "in force")
    page.one("input.search").send_keys("no such word")
    page.wait_text("main p", "No rule has these words")
    page.one("input.search").clear()
    page.one("input.search").send_keys("t1548")
    page.wait_text("tbody th", "First")

    hub.rules.write_text(RULE.format(name="Second").replace("fd.name =", "fd.nmae ="))
    page.wait_text("main .badge", "the files do not load")
    page.wait_text("main pre", "fd.nmae")
    page.wait_text("tbody th", "First")
    page.open("/")
    page.wait_text("#top .badge", "Rules do not load")

    hub.rules.write_text(RULE.format(name="Third"))
    page.open("/rules")
    page.wait_text("tbody th", "Third")
    page.wait_text("main .badge", "in force")


def test_sensors_that_lag_behind_the_rules_are_told_apart(page, hub):
    policy = hub.api("GET", "/api/v1/status")[1]["rules"]["policy"]
    for name, told in {"fresh": {"version": policy, "current": True, "error": ""},
                       "old": {"version": "0123456789abcdef", "current": True, "error": ""},
                       "bad": {"version": policy, "current": False, "error": "a.yaml:1:1: <b>no</b>"}}.items():
        beat = {"sensor": {"id": name, "boot": "b"}, "hostname": name, "policy": told}
        assert hub.request("POST", "/api/v1/sensors/heartbeat", beat)[0] == 200
    page.open("/status")
    page.wait_text(".sensors", "fresh")
    rows = {row.find_element("css selector", "th").text: row.text for row in page.all(".sensors tbody tr")}
    assert "current" in rows["fresh"] and "behind" in rows["old"] and "do not load" in rows["bad"]
