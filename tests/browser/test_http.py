"""The admin API over plain HTTP: who may in, what is refused, what every answer carries."""
import http.client
import json
import threading

import pytest

from hub import alert, wait_for


def call(hub, method, path, body=None, **headers):
    return hub.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}, hub.admin_port)


def bearer(hub, method, path, body=None, **headers):
    return call(hub, method, path, body, Authorization=f"Bearer {hub.token}", **headers)


def cookie_of(hub):
    status, headers, _ = call(hub, "POST", "/api/v1/login", {"token": hub.token})
    assert status == 200
    return headers["Set-Cookie"].split(";")[0]


def seq_of(hub, rule):
    found = wait_for(lambda: json.loads(bearer(hub, "GET", f"/api/v1/alerts?rule={rule}")[2])["alerts"], 5, rule)
    return found[0]["seq"]


PRIVATE = ["/alerts", "/alerts/1", "/stream", "/outputs", "/dead-letters", "/status", "/sensors", "/rules", "/config"]


@pytest.mark.parametrize("path", PRIVATE)
def test_nothing_private_without_a_credential(hub, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "tocsin_session=" + "0" * 64},
                    {"Authorization": "Basic YWRtaW46YWRtaW4="}):
        status, answer, body = call(hub, "GET", "/api/v1" + path, **headers)
        assert status == 401 and answer["Content-Type"] == "application/problem+json"
        assert json.loads(body)["status"] == 401
    assert call(hub, "GET", f"/api/v1{path}?token={hub.token}")[0] == 401


@pytest.mark.parametrize("path", ["/", "/outputs", "/app.js", "/api/v1/status", "/nowhere", "/api/v1/openapi.yaml"])
def test_every_answer_carries_the_security_headers(hub, path):
    _, headers, _ = call(hub, "GET", path)
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    if path.startswith("/api/v1/status"):
        assert headers["Cache-Control"] == "no-store"


def test_a_cookie_alone_changes_nothing(hub):
    cookie = cookie_of(hub)
    assert call(hub, "GET", "/api/v1/status", Cookie=cookie)[0] == 200
    assert call(hub, "POST", "/api/v1/dead-letters/replay", "{}", Cookie=cookie)[0] == 403
    assert call(hub, "POST", "/api/v1/dead-letters/replay", "{}", Cookie=cookie, X_Tocsin="1",
                Origin="https://evil.example")[0] == 403
    assert call(hub, "POST", "/api/v1/dead-letters/replay", "{}", Cookie=cookie, X_Tocsin="1",
                Sec_Fetch_Site="cross-site")[0] == 403
    assert call(hub, "POST", "/api/v1/dead-letters/replay", "{}", Cookie=cookie, X_Tocsin="1", Origin=hub.origin)[0] == 200
    assert call(hub, "POST", "/api/v1/login", {"token": hub.token}, Origin="https://evil.example")[0] == 403


def test_a_login_token_wants_the_admin_token_itself(hub):
    assert call(hub, "POST", "/api/v1/login-token", Cookie=cookie_of(hub), X_Tocsin="1")[0] == 401
    status, _, body = bearer(hub, "POST", "/api/v1/login-token")
    assert status == 200
    token = json.loads(body)["token"]
    assert call(hub, "POST", "/api/v1/login", {"token": token})[0] == 200
    assert call(hub, "POST", "/api/v1/login", {"token": token})[0] == 401


def test_the_cookie_is_secure_behind_tls(hub):
    _, headers, _ = call(hub, "POST", "/api/v1/login", {"token": hub.token}, X_Forwarded_Proto="https")
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Secure"} <= set(headers["Set-Cookie"].split("; "))


@pytest.mark.parametrize("query", ["limit=x", "before=-1", "priority=loud", "incident=a", "q=" + "x" * 600])
def test_a_senseless_query_is_refused_with_the_reason(hub, query):
    status, _, body = bearer(hub, "GET", "/api/v1/alerts?" + query)
    assert status == 400 and query.split("=")[0] in json.loads(body)["detail"]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "{\"token\":1}", "{\"token\":\"a\",\"token\":\"b\"}", "\xff" * 50])
def test_a_senseless_login_is_refused(hub, body):
    assert call(hub, "POST", "/api/v1/login", body.encode("latin-1"))[0] in (400, 401)


def test_an_alert_is_found_by_position_and_by_id(hub):
    hub.post(alert(rule="FoundTwice"))
    seq = seq_of(hub, "FoundTwice")
    by_seq = json.loads(bearer(hub, "GET", f"/api/v1/alerts/{seq}")[2])
    by_id = json.loads(bearer(hub, "GET", f"/api/v1/alerts/{by_seq['alert']['uuid']}")[2])
    assert by_seq["seq"] == by_id["seq"] == seq
    assert {delivery["output"] for delivery in by_id["deliveries"]} == {"archive", "urgent", "refuser"}
    for unknown in ("0", "999999999", "x", "0" * 36):
        assert bearer(hub, "GET", f"/api/v1/alerts/{unknown}")[0] == 404


def test_pages_join_without_a_gap_or_a_repeat(hub):
    for number in range(25):
        hub.post(alert(rule="Paged", hostname=f"p{number}"))
    found, before = [], 0
    while True:
        page = json.loads(bearer(hub, "GET", f"/api/v1/alerts?rule=Paged&limit=7&before={before}")[2])
        found += [entry["alert"]["hostname"] for entry in page["alerts"]]
        before = page["more"]
        if not before:
            break
    assert found == [f"p{number}" for number in reversed(range(25))]


class Stream:
    """Server-sent events, read until told to stop."""

    def __init__(self, hub, query="", **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", hub.admin_port, timeout=30)
        self.connection.request("GET", "/api/v1/stream" + query, headers={
            "Authorization": f"Bearer {hub.token}", **{n.replace("_", "-"): v for n, v in headers.items()}})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200 and self.answer.headers["Content-Type"] == "text/event-stream"
        self.entries = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for line in self.answer:
                if line.startswith(b"data: "):
                    self.entries.append(json.loads(line[6:]))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass

    def rules(self):
        return [entry["alert"]["rule"] for entry in self.entries if "alert" in entry]

    def close(self):
        self.answer.close()
        self.connection.close()


def test_a_stream_goes_on_where_it_left_off(hub):
    hub.post(alert(rule="StreamA"))
    seq = seq_of(hub, "StreamA")
    hub.post(alert(rule="StreamB", priority="Error"))
    hub.post(alert(rule="StreamC"))
    for query, headers in ((f"?after={seq}", {}), ("", {"Last_Event_ID": str(seq)})):
        stream = Stream(hub, query, **headers)
        wait_for(lambda: stream.rules() == ["StreamB", "StreamC"], 5, "what came since")
        stream.close()
    stream = Stream(hub, f"?after={seq - 1}&priority=error")
    wait_for(lambda: stream.rules() == ["StreamB"], 5, "what passes the filter")
    stream.close()


def open_streams(hub):
    return json.loads(bearer(hub, "GET", "/api/v1/status")[2])["api"]["streams"]


def test_streams_are_bounded_and_come_free_again(hub):
    wait_for(lambda: open_streams(hub) == 0, 20, "the end of other tests' streams")
    streams = [Stream(hub) for _ in range(64)]
    assert bearer(hub, "GET", "/api/v1/stream")[0] == 503
    hub.post(alert(rule="ForAll"))
    wait_for(lambda: all(stream.rules() == ["ForAll"] for stream in streams), 10, "the alert on every stream")
    for stream in streams:
        stream.connection.sock.shutdown(2)
    wait_for(lambda: open_streams(hub) == 0, 5, "the streams' end")


def test_kicking_an_output(hub):
    assert bearer(hub, "POST", "/api/v1/outputs/archive/kick")[0] == 200
    assert bearer(hub, "POST", "/api/v1/outputs/nobody/kick")[0] == 404
    assert bearer(hub, "GET", "/api/v1/outputs/archive/kick")[0] == 405


def test_files_are_packed_and_kept(hub):
    status, headers, packed = call(hub, "GET", "/app.js", Accept_Encoding="gzip")
    assert status == 200 and headers["Content-Encoding"] == "gzip" and packed[:2] == b"\x1f\x8b"
    assert call(hub, "GET", "/app.js", Accept_Encoding="gzip", If_None_Match=headers["ETag"])[0] == 304
    assert call(hub, "HEAD", "/")[0] == 200
    assert call(hub, "GET", "/..%2f..%2fetc/passwd")[0] == 404


def test_guessing_is_slowed_down(hub):
    codes = [call(hub, "POST", "/api/v1/login", {"token": f"guess {number}"})[0] for number in range(15)]
    assert codes[-1] == 429 and 401 in codes
    status, headers, _ = call(hub, "POST", "/api/v1/login", {"token": hub.token})
    assert status == 429 and headers["Retry-After"]
    assert bearer(hub, "GET", "/api/v1/status")[0] == 200
