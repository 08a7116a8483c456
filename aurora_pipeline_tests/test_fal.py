"""The real fal-client over real HTTP against a server that misbehaves on purpose: one submit is one POST."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fal_client
import pytest

from aurora_pipeline.errors import BadSetting, OutcomeUnknown, RequestRefused, VideoUnusable
from aurora_pipeline.gear import fal, fal_answers, fal_platform
from aurora_pipeline.gear.secrets import scrub

ENDPOINT = "fal-ai/creatify/aurora"
ACCEPTED = {"request_id": "r-1", "response_url": "https://evil/1", "status_url": "https://evil/2", "cancel_url": "x"}


class Scripted(ThreadingHTTPServer):
    """Answers every request by ``script(handler) -> (status, headers, body) | None``; None drops the connection."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen = []
        self.clock_is_off_by = 0
        self.script = lambda handler: (404, {}, b"{}")
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        answer = self.server.script(self)
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + self.server.clock_is_off_by)

    def log_message(self, *args):
        return


@pytest.fixture
def server():
    with Scripted() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def connection(server):
    return fal.connect(server.url)


def _json(status, body, **headers):
    return status, headers, json.dumps(body).encode()


def _submit(connection, noted=None):
    noted = [] if noted is None else noted
    return connection.submit(
        ENDPOINT,
        {"image_url": "i", "audio_url": "a"},
        before_post=lambda: noted.append("sending"),
        on_reply=lambda request_id, body: noted.append(request_id),
    )


def test_a_submit_is_written_down_before_and_after_its_one_post(server, connection):
    noted = []
    server.script = lambda handler: _json(200, ACCEPTED)

    assert _submit(connection, noted) == "r-1"

    assert noted == ["sending", "r-1"]
    assert [path for _m, path, _h, _b in server.seen] == ["/queue.fal.run/fal-ai/creatify/aurora"]


NGINX = b"<html><center>nginx</center></html>"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, OutcomeUnknown),  # accepted, then the answer was lost
        ((502, {}, NGINX), OutcomeUnknown),
        ((503, {}, NGINX), OutcomeUnknown),
        ((408, {}, b"{}"), OutcomeUnknown),
        ((409, {}, b"{}"), OutcomeUnknown),
        ((500, {}, b"{}"), OutcomeUnknown),
        ((200, {}, b"not json"), OutcomeUnknown),
        ((200, {}, b'{"no": "request id"}'), OutcomeUnknown),
        ((307, {"Location": "/again"}, b""), OutcomeUnknown),
        ((429, {}, b"{}"), RequestRefused),
        ((401, {}, b'{"detail": "no"}'), RequestRefused),
        ((403, {}, b'{"detail": "User is locked. Reason: Exhausted balance."}'), RequestRefused),
        ((422, {}, b'{"detail": [{"type": "missing", "msg": "Field required", "loc": ["body"]}]}'), RequestRefused),
    ],
)
def test_whatever_comes_back_a_submit_is_one_post(server, connection, answer, error):
    server.script = lambda handler: answer

    with pytest.raises(error):
        _submit(connection)

    assert len(server.seen) == 1


def test_an_unreachable_provider_is_a_refusal_not_a_doubt(server):
    connection = fal.connect("http://127.0.0.1:9")  # the discard port: nobody listens

    with pytest.raises(RequestRefused, match=r"nothing was sent.*Nothing was spent"):
        _submit(connection)


@pytest.mark.parametrize(("status", "stops", "billed"), [(403, True, False), (422, False, True), (400, False, False)])
def test_a_refusal_says_whether_it_stops_the_run_and_may_be_billed(server, connection, status, stops, billed):
    server.script = lambda handler: _json(status, {"detail": "because"})

    with pytest.raises(RequestRefused) as refused:
        _submit(connection)

    assert (refused.value.stops_the_run, refused.value.may_be_billed) == (stops, billed)


def test_the_key_goes_to_no_host_that_an_answer_names(server, connection):
    server.script = lambda handler: (
        _json(200, {"status": "COMPLETED", "logs": None}) if "status" in handler.path else _json(200, ACCEPTED)
    )

    connection.state(ENDPOINT, _submit(connection))

    assert server.seen[-1][1].startswith("/queue.fal.run/fal-ai/creatify/requests/r-1/status")


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b"oops"),
        (502, {}, NGINX),
        (200, {}, b"<html>"),
        (200, {}, b"{}"),
        (200, {}, b"null"),
        (200, {}, b"[]"),
        (200, {}, b'"text"'),
        (200, {}, b'{"status": "DANCING"}'),
    ],
)
def test_a_bad_poll_is_a_passing_fault(server, connection, answer):
    server.script = lambda handler: answer

    with pytest.raises(fal_answers.Unreachable):
        connection.state(ENDPOINT, "r-1")


@pytest.mark.parametrize("read", ["state", "result"])
def test_what_the_provider_no_longer_knows_is_gone(server, connection, read):
    server.script = lambda handler: _json(404, {"detail": "Request not found"})

    with pytest.raises(fal_answers.Gone):
        _read(connection, read)


@pytest.mark.parametrize("read", ["state", "result", "failed result"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_run_and_says_nothing_of_the_job(server, connection, read, status):
    server.script = lambda handler: _json(status, {"detail": "no"})

    with pytest.raises(RequestRefused) as refused:
        _read(connection, read)

    assert (refused.value.stops_the_run, refused.value.may_be_billed) == (True, False)


def _read(connection, read):
    if read == "state":
        return connection.state(ENDPOINT, "r-1")
    return connection.result(ENDPOINT, "r-1", has_failed=read == "failed result")


@pytest.mark.parametrize(
    ("answer", "has_failed"),
    [
        ((400, {}, b'{"detail": "Request is still in progress"}'), False),
        ((400, {}, b'{"detail": "Request is still in progress"}'), True),
        ((502, {}, NGINX), True),
        ((503, {}, b"busy"), True),
        ((500, {}, b'{"detail": "x"}'), False),
    ],
)
def test_a_gateways_answer_is_never_taken_for_the_models(server, connection, answer, has_failed):
    server.script = lambda handler: answer

    with pytest.raises(fal_answers.Unreachable):
        connection.result(ENDPOINT, "r-1", has_failed=has_failed)


@pytest.mark.parametrize("status", [400, 401, 422, 500])
def test_an_upload_that_fails_is_a_refusal_never_a_doubt(server, connection, status):
    server.script = lambda handler: _json(status, {"detail": "no room"})

    with pytest.raises(RequestRefused, match=r"could not be uploaded.*Nothing was spent"):
        connection.upload(b"x", content_type="audio/wav", file_name="a.wav")


@pytest.mark.parametrize(("status", "may_be_billed"), [(422, True), (500, False), (504, False)])
def test_a_failed_job_tells_its_reason_and_its_billing_rule(server, connection, status, may_be_billed):
    detail = [{"type": "face_detection_error", "msg": "No face", "input": "https://x/a.png?X-Amz-Signature=s3cret"}]
    server.script = lambda handler: _json(status, {"detail": detail})

    with pytest.raises(RequestRefused, match="face_detection_error: No face") as refused:
        connection.result(ENDPOINT, "r-1", has_failed=True)

    assert refused.value.may_be_billed is may_be_billed
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "header", "body"),
    [
        (400, {"X-Fal-Error-Type": "bad_request"}, {"detail": "bad", "error_type": "bad_request"}),
        (404, {}, {"detail": [{"type": "file_download_error", "msg": "bad"}]}),
        (408, {"X-Fal-Error-Type": "request_timeout"}, {"detail": "bad"}),
        (429, {}, {"detail": "bad", "error_type": "runner_busy"}),
        (200, {}, {"detail": [{"type": "face_detection_error", "msg": "bad"}]}),
    ],
)
def test_a_failed_jobs_own_words_count_at_whatever_code_they_come(server, connection, status, header, body):
    server.script = lambda handler: _json(status, body, **header)

    with pytest.raises(RequestRefused, match="bad") as refused:
        connection.result(ENDPOINT, "r-1", has_failed=True)

    assert refused.value.may_be_billed


def test_what_names_a_video_is_a_result_although_the_status_said_failed(server, connection):
    server.script = lambda handler: _json(200, {"video": {"url": "u"}})

    assert connection.result(ENDPOINT, "r-1", has_failed=True).answer == {"video": {"url": "u"}}


@pytest.mark.parametrize("units", ["NaN", "Infinity", "-1", "1e30", "", "five"])
def test_units_that_nobody_could_bill_are_no_units(server, connection, units):
    server.script = lambda handler: _json(200, {"video": {"url": "u"}}, **{"x-fal-billable-units": units})

    assert connection.result(ENDPOINT, "r-1", has_failed=False).billable_units is None


def test_a_reason_is_one_line_that_every_database_and_terminal_takes(server, connection):
    server.script = lambda handler: (422, {}, rb'{"detail": "bad\u0000 \ud83d\u001b[31m name\nof a file"}')

    with pytest.raises(RequestRefused) as refused:
        connection.result(ENDPOINT, "r-1", has_failed=True)

    assert "(bad ? [31m name of a file)" in str(refused.value)


@pytest.mark.parametrize("request_id", [None, 5, "", "a/../b", "r\x00", "\ud83d", "r" * 65, {"id": "r"}])
def test_an_answer_whose_request_id_cannot_be_one_leaves_a_doubt(server, connection, request_id):
    noted = []
    server.script = lambda handler: _json(200, ACCEPTED | {"request_id": request_id})

    with pytest.raises(OutcomeUnknown):
        _submit(connection, noted)

    assert noted == ["sending"]


def test_a_busy_answer_of_no_length_is_given_the_usual_one(server, connection):
    server.script = lambda handler: (429, {"Retry-After": "nan"}, b"{}")

    with pytest.raises(RequestRefused) as refused:
        _submit(connection)

    assert refused.value.busy_seconds == fal_answers.BUSY_SECONDS


def test_a_queue_position_without_end_is_a_passing_fault(server, connection):
    server.script = lambda handler: (202, {}, b'{"status": "IN_QUEUE", "queue_position": Infinity}')

    with pytest.raises(fal_answers.Unreachable):
        connection.state(ENDPOINT, "r-1")


def test_a_result_carries_the_billable_units_of_its_header(server, connection):
    server.script = lambda handler: _json(200, {"video": {"url": "u"}}, **{"x-fal-billable-units": "5"})

    result = connection.result(ENDPOINT, "r-1", has_failed=False)

    assert (result.answer["video"]["url"], result.billable_units) == ("u", 5)


def test_a_download_cut_short_is_not_a_video(server, connection, tmp_path):
    server.script = lambda handler: (200, {"Content-Length": "1000"}, b"short")

    with pytest.raises(VideoUnusable):
        connection.download(f"{server.url}/v.mp4", tmp_path / "v.mp4")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v.mp4",
        "http://v3.fal.media/v.mp4",
        "file:///etc/passwd",
        "https://fal.media.evil.example/v.mp4",
        "http://169.254.169.254/",
        "https://[fal.media",
        "https://v3.fal.media:port/v.mp4",
    ],
)
def test_only_the_providers_own_hosts_are_downloaded_from(connection, tmp_path, url):
    with pytest.raises(VideoUnusable):
        connection.download(url, tmp_path / "v.mp4")


@pytest.mark.parametrize("key", ["", " ", "abc def", "abc\n", "'abc'", '"abc"'])
def test_a_key_that_cannot_be_one_is_named_but_never_shown(monkeypatch, key):
    monkeypatch.setenv("FAL_KEY", key)

    with pytest.raises(BadSetting, match="FAL_KEY is empty or holds") as bad:
        fal.connect()

    assert "abc" not in str(bad.value)


def test_the_key_is_in_no_text_of_the_connection(monkeypatch):
    monkeypatch.setenv("FAL_KEY", "id:sentinel-secret")

    assert "sentinel" not in repr(fal.connect())
    assert scrub("Key id:sentinel-secret at https://x/y?sig=1") == "Key *** at https://x/y"


def test_fal_itself_is_left_as_it_is():
    client = fal_client.SyncClient(key="k")

    assert fal.route(client, "").event_hooks["request"] == []


class TestLookingUpALostRequest:
    def test_it_is_found_by_its_unique_audio_url(self, server, connection):
        pages = [
            {"items": [{"request_id": "r-0", "json_input": {"audio_url": "other"}}], "next_cursor": "p2"},
            {"items": [{"request_id": "r-9", "json_input": {"audio_url": "mine"}}], "next_cursor": None},
        ]
        server.script = lambda handler: _json(200, pages["cursor=p2" in handler.path])

        assert connection.platform.find(ENDPOINT, "mine", field="audio_url", since=datetime.now(UTC)) == ("r-9", None)
        assert connection.platform.find(ENDPOINT, "nobody's", field="audio_url", since=datetime.now(UTC)) is None

    def test_a_request_listed_on_two_pages_is_one_request(self, server, connection):
        item = {"request_id": "r-9", "json_input": {"audio_url": "mine"}}
        pages = [{"items": [item], "next_cursor": "p2"}, {"items": [item]}]
        server.script = lambda handler: _json(200, pages["cursor=p2" in handler.path])

        assert connection.platform.find(ENDPOINT, "mine", field="audio_url", since=datetime.now(UTC)) == ("r-9", None)

    def test_the_list_is_read_from_long_before_the_sending(self, server, connection):
        server.script = lambda handler: _json(200, {"items": []})

        connection.platform.find(ENDPOINT, "mine", field="audio_url", since=datetime(2026, 11, 22, 12, tzinfo=UTC))

        assert "start=2026-11-21T12%3A00" in server.seen[0][1]

    @pytest.mark.parametrize("seconds", [-3600, 3600])
    def test_a_wrong_clock_decides_nothing(self, server, connection, seconds):
        server.clock_is_off_by = seconds
        server.script = lambda handler: _json(200, {"items": []})

        with pytest.raises(fal_answers.Unreachable, match=r"clock is 3.* s off"):
            connection.platform.find(ENDPOINT, "mine", field="audio_url", since=datetime.now(UTC))

    @pytest.mark.parametrize(
        "page",
        [
            {"items": [{"request_id": "r", "json_input": None}]},
            {"items": [{"request_id": "r", "json_input": {}}]},
            {"items": [{"request_id": "r", "json_input": {"image_url": "i", "audio_url": None}}]},
            {"items": [{"request_id": "r", "json_input": {"image_url": "i", "audio_url": ""}}]},
            {"items": [{"request_id": "r\x00", "json_input": {"audio_url": "mine"}}]},
            {"items": [{"request_id": each, "json_input": {"audio_url": "mine"}} for each in ("r", "s")]},
            {"items": ["text"]},
            {"items": None},
            {"no": "items"},
            ["no object"],
            None,
        ],
    )
    def test_a_list_that_leaves_doubt_decides_nothing(self, server, connection, page):
        server.script = lambda handler: _json(200, page)

        with pytest.raises(fal_answers.Unreachable):
            connection.platform.find(ENDPOINT, "mine", field="audio_url", since=datetime.now(UTC))


class TestLookingUpSpeechThatNoUploadMarks:
    ASKED = {"text": "Hello.", "voice_setting": {"voice_id": "Wise_Woman"}}  # noqa: RUF012 - never changed
    SENT = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def _alike(self, server, connection, *items):
        server.script = lambda handler: _json(200, {"items": items})
        alike = connection.platform.alike(ENDPOINT, self.ASKED, since=self.SENT)
        return [(listed.request_id, listed.answer) for listed in alike]

    @staticmethod
    def _item(request_id, at="2026-11-22T12:00:05", output=None, **sent):
        asked = {"text": "Hello.", "voice_setting": {"voice_id": "Wise_Woman", "speed": 1}, "output_format": "hex"}
        return {"request_id": request_id, "sent_at": at, "json_input": asked | sent, "json_output": output}

    def test_all_with_the_same_arguments_since_are_told_the_earliest_first(self, server, connection):
        answer = {"audio": {"url": "u"}}
        items = [
            self._item("late", "2026-11-22T12:05:00Z"),
            self._item("early", "2026-11-22T11:59:30+00:00", answer),
            self._item("before-it-was-sent", "2026-11-22T11:58:00Z"),
            self._item("another-text", text="Hello"),
            self._item("another-voice", voice_setting={"voice_id": "Deep_Voice_Man"}),
            self._item("no-voice", voice_setting=None),
        ]

        assert self._alike(server, connection, *items) == [("early", answer), ("late", None)]

    @pytest.mark.parametrize(
        ("more", "names"),
        [
            ({}, []),
            ({"voice_setting": {"voice_id": "Wise_Woman", "speed": 1}}, ["voice_setting.speed"]),
            ({"audio_url": "u", "seed": 7}, ["audio_url", "seed"]),
        ],
    )
    def test_one_that_was_sent_with_more_is_alike_and_not_the_same(self, server, connection, more, names):
        item = {"request_id": "r", "sent_at": self.SENT.isoformat(), "json_input": self.ASKED | more}
        server.script = lambda handler: _json(200, {"items": [item]})

        (listed,) = connection.platform.alike(ENDPOINT, self.ASKED, since=self.SENT)

        assert (listed.was_sent_with(self.ASKED), listed.beyond(self.ASKED)) == (not names, names)

    def test_what_is_equal_only_to_python_is_not_the_same(self, server, connection):
        item = {"request_id": "r", "sent_at": self.SENT.isoformat(), "json_input": {"timestamps": 1}}
        server.script = lambda handler: _json(200, {"items": [item]})

        (listed,) = connection.platform.alike(ENDPOINT, {"timestamps": True}, since=self.SENT)

        assert not listed.was_sent_with({"timestamps": True})

    def test_an_accepted_request_is_found_by_its_id_whatever_else_fal_lists_of_it(self, server, connection):
        answer = {"audio": {"url": "u"}}
        items = [self._item("other"), self._item("mine", output=answer, text="as fal spells it")]
        server.script = lambda handler: _json(200, {"items": items})

        assert connection.platform.listed(ENDPOINT, "mine", since=self.SENT) == ("mine", answer)
        assert connection.platform.listed(ENDPOINT, "gone", since=self.SENT) is None

    def test_a_list_without_it_says_so(self, server, connection):
        assert self._alike(server, connection) == []

    @pytest.mark.parametrize("change", [{"json_input": None}, {"sent_at": None}, {"sent_at": "yesterday"}])
    def test_a_list_that_leaves_doubt_decides_nothing(self, server, connection, change):
        with pytest.raises(fal_answers.Unreachable, match="so it cannot be told apart"):
            self._alike(server, connection, self._item("r") | change)


def test_a_studios_file_is_fetched_from_where_the_studio_is_now(server, connection, tmp_path):
    server.script = lambda handler: (200, {}, b"video")

    connection.download("http://127.0.0.1:1/v3.fal.media/files/v.mp4", tmp_path / "v.mp4")

    assert server.seen[0][1] == "/v3.fal.media/files/v.mp4"
    assert (tmp_path / "v.mp4").read_bytes() == b"video"


def test_a_file_that_is_no_longer_there_is_gone(server, connection, tmp_path):
    with pytest.raises(fal_answers.Gone):
        connection.download(f"{server.url}/v.mp4", tmp_path / "v.mp4")


class TestWithdrawing:
    """A request is taken back only while it waits; a running job is never signalled, since it may be billed."""

    @staticmethod
    def _answers(server, status, cancelled=(200, {"status": "OK"})):
        def script(handler):
            return _json(*cancelled) if handler.command == "PUT" else _json(202, status)

        server.script = script

    def _puts(self, server):
        return [path for method, path, _h, _b in server.seen if method == "PUT"]

    def test_a_queued_request_is_withdrawn(self, server, connection):
        self._answers(server, {"status": "IN_QUEUE", "queue_position": 2})

        assert connection.withdraw(ENDPOINT, "r-1")

        assert self._puts(server) == ["/queue.fal.run/fal-ai/creatify/requests/r-1/cancel"]

    def test_a_running_request_is_not_even_asked(self, server, connection):
        self._answers(server, {"status": "IN_PROGRESS", "logs": None})

        assert not connection.withdraw(ENDPOINT, "r-1")

        assert self._puts(server) == []

    @pytest.mark.parametrize(
        "answer",
        [
            (202, {"status": "CANCELLATION_REQUESTED"}),
            (400, {"status": "ALREADY_COMPLETED"}),
            (404, {"status": "NOT_FOUND"}),
            (500, {}),
            (200, ["odd"]),
        ],
    )
    def test_any_other_answer_leaves_it_accepted(self, server, connection, answer):
        self._answers(server, {"status": "IN_QUEUE", "queue_position": 0}, answer)

        assert not connection.withdraw(ENDPOINT, "r-1")


class TestFalsOwnRecords:
    def test_a_unit_price_is_read_as_it_is_written(self, server, connection):
        row = {"endpoint_id": ENDPOINT, "unit_price": 0.1, "unit": "seconds", "currency": "USD"}
        server.script = lambda handler: _json(200, {"prices": [{"endpoint_id": "other", "unit_price": 9}, row]})

        assert connection.platform.unit_price(ENDPOINT) == fal_platform.UnitPrice("seconds", Decimal("0.1"))

    def test_an_endpoint_without_a_price_has_none(self, server, connection):
        server.script = lambda handler: _json(200, {"prices": []})

        assert connection.platform.unit_price(ENDPOINT) is None

    @pytest.mark.parametrize(
        "body",
        [{"prices": None}, []]
        + [{"prices": [{"endpoint_id": ENDPOINT, "unit_price": usd}]} for usd in ("x", "NaN", "Infinity", "1e30", -1)],
    )
    def test_a_price_list_that_cannot_be_read_is_no_answer(self, server, connection, body):
        server.script = lambda handler: _json(200, body)

        with pytest.raises(fal_answers.Unreachable):
            connection.platform.unit_price(ENDPOINT)

    def test_bills_are_summed_over_events_and_pages(self, server, connection):
        pages = [
            {"billing_events": [{"request_id": "r-1", "cost_total": 0.5}], "next_cursor": "p2"},
            {"billing_events": [{"request_id": "r-1", "cost_total": 0.2}], "next_cursor": None},
        ]
        server.script = lambda handler: _json(200, pages["cursor=p2" in handler.path])

        assert connection.platform.bills(["r-1", "r-2"]) == {"r-1": Decimal("0.7")}

    @pytest.mark.parametrize("usd", ["NaN", "Infinity", "1e30", "-1e30", None])
    def test_a_bill_that_nobody_could_be_sent_is_no_answer(self, server, connection, usd):
        events = [{"request_id": "r-1", "cost_total": usd}]
        server.script = lambda handler: _json(200, {"billing_events": events})

        with pytest.raises(fal_answers.Unreachable, match="billing events could not be read"):
            connection.platform.bills(["r-1"])

    def test_what_was_given_back_lowers_a_bill_to_nothing_at_most(self, server, connection):
        events = [{"request_id": each, "cost_total": usd} for each, usd in (("r-1", 0.5), ("r-1", -0.2), ("r-2", -1))]
        server.script = lambda handler: _json(200, {"billing_events": events})

        assert connection.platform.bills(["r-1", "r-2"]) == {"r-1": Decimal("0.3"), "r-2": 0}

    @pytest.mark.parametrize(("is_fal", "key"), [(True, "Key admin-key"), (False, "Key local-studio")])
    def test_the_admin_key_is_for_fals_bills_and_nothing_else(self, server, connection, monkeypatch, is_fal, key):
        monkeypatch.setenv("FAL_ADMIN_KEY", "admin-key")
        server.script = lambda handler: _json(200, {"billing_events": [], "prices": []})
        platform = replace(connection.platform, is_fal=is_fal)

        platform.bills(["r-1"])
        platform.unit_price(ENDPOINT)

        assert [headers["Authorization"] for _m, _p, headers, _b in server.seen] == [key, "Key local-studio"]

    def test_a_key_that_may_not_read_bills_is_told_apart(self, server, connection):
        server.script = lambda handler: _json(403, {"detail": "no"})

        with pytest.raises(fal_platform.NotAllowed, match="may not read"):
            connection.platform.bills(["r-1"])


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "7"}, 7), ({"Retry-After": "99999"}, 300), ({}, 5)])
def test_a_busy_provider_says_how_long_to_leave_it_alone(server, connection, header, seconds):
    server.script = lambda handler: (429, header, b"{}")

    with pytest.raises(RequestRefused, match="took nothing") as refused:
        _submit(connection)

    assert refused.value.busy_seconds == seconds
    assert len(server.seen) == 1


class TestTheBackupDomain:
    """fal-client goes to queue.falrun.com, key and all, when queue.fal.run cannot be connected to. Ours does not."""

    @pytest.fixture
    def outside(self, server, monkeypatch):
        """A connection to fal itself, in a world where only the backup domain answers."""
        asked, connect = [], socket.create_connection

        def reroute(address, *args, **kwargs):
            asked.append(address[0])
            if address[0] != "queue.falrun.com":
                raise OSError("no route")
            return connect(("127.0.0.1", server.server_port), *args, **kwargs)

        monkeypatch.setattr(socket, "create_connection", reroute)
        monkeypatch.setattr(ssl.SSLContext, "wrap_socket", lambda context, plain, **named: plain)
        monkeypatch.setenv("FAL_KEY", "id:never-to-be-seen")
        server.script = lambda handler: _json(200, ACCEPTED)
        return fal.connect(), asked

    def test_a_submit_does_not_go_there_and_is_known_to_have_bought_nothing(self, outside, server):
        connection, asked = outside

        with pytest.raises(RequestRefused, match="fal could not be reached, so nothing was sent"):
            _submit(connection)

        assert "queue.falrun.com" in asked  # it was tried, and kept from sending
        assert server.seen == []

    def test_reads_are_passing_faults_and_do_not_even_try_it(self, outside, server):
        connection, asked = outside

        with pytest.raises(fal_answers.Unreachable):
            connection.state(ENDPOINT, "r-1")

        assert asked == ["queue.fal.run"]
        assert server.seen == []


NAMING_ANOTHER_HOST = """
from aurora_pipeline.errors import AuroraError
from aurora_pipeline.gear import fal
import fal_client, httpx
try:
    fal.connect()
except AuroraError as error:
    print(error)
connection, asked = fal.FalConnection(fal_client.SyncClient(key="id:never-to-be-seen")), []
hooks = connection._reads.event_hooks
connection._reads = httpx.Client(event_hooks=hooks, transport=httpx.MockTransport(asked.append))
try:
    connection.state("a/b", "r")
except AuroraError as error:
    print(error)
print(asked)
"""


@pytest.mark.parametrize("name", ["FAL_QUEUE_RUN_HOST", "FAL_RUN_HOST"])
def test_the_key_goes_to_no_host_that_the_environment_names(name):
    env = os.environ | {"FAL_KEY": "id:never-to-be-seen", name: "evil.example"}

    said = subprocess.run(
        [sys.executable, "-c", NAMING_ANOTHER_HOST], env=env, capture_output=True, text=True, check=True
    )

    host = "evil.example" if "QUEUE" in name else "queue.evil.example"
    assert said.stdout.splitlines() == [
        f"FAL_QUEUE_RUN_HOST or FAL_RUN_HOST sends fal's client to '{host}', and your key with it; unset both. "
        "Nothing was spent.",
        f"fal cannot be reached, and its client's '{host}' is not asked. Nothing was spent.",
        "[]",
    ]
