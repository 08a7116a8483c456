"""What many clips share is uploaded once a run."""

import threading

import pytest

from aurora_pipeline.aurora_videos.uploads import Uploads
from aurora_pipeline.errors import RequestRefused


def test_workers_wanting_the_same_bytes_wait_for_the_first_and_share_its_url():
    uploads, began, go_on, urls, calls = Uploads(), threading.Event(), threading.Event(), [], []

    def upload():
        calls.append("upload")
        began.set()
        go_on.wait(10)
        return "https://v3.fal.media/ana.png"

    crew = [threading.Thread(target=lambda: urls.append(uploads.url_of("ana", upload))) for _ in range(8)]
    for worker in crew:
        worker.start()
    began.wait(10)
    go_on.set()
    for worker in crew:
        worker.join()

    assert calls == ["upload"]
    assert set(urls) == {"https://v3.fal.media/ana.png"}
    assert len(urls) == 8


def test_an_upload_that_failed_is_tried_again_by_the_next_who_wants_it():
    uploads = Uploads()

    def refuse():
        raise RequestRefused("no")

    with pytest.raises(RequestRefused):
        uploads.url_of("ana", refuse)

    assert uploads.url_of("ana", lambda: "url") == "url"
