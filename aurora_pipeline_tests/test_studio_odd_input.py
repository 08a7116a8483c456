"""What no client should send is answered in fal's way, never with a broken studio."""

import base64
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from aurora_pipeline.cli.reconcile import reconcile
from aurora_pipeline.cli.studio import studio as studio_command
from aurora_pipeline.gear.studio_process import studio
from aurora_pipeline.studio.__main__ import main
from aurora_pipeline.studio.gate import _host_in
from aurora_pipeline.studio.platform_routes import MOST_ROWS, _offset
from aurora_pipeline.studio.terms import BadTerms, queue_terms
from aurora_pipeline_tests.conftest import REPOSITORY

BOOK = REPOSITORY / "data" / "price_book.csv"


def test_a_webhook_that_is_no_address_is_refused():
    with pytest.raises(BadTerms, match="fal_webhook must be an http or https URL"):
        queue_terms({}, base="http://127.0.0.1:1", webhook="http://[")


@pytest.mark.parametrize("host", ["//[", "http://[", "//:x", ""])
def test_a_host_that_is_none_is_nobodys(host):
    assert _host_in(host) == ""


def test_a_cursor_beyond_every_row_is_the_end_of_the_list():
    assert _offset(base64.urlsafe_b64encode(b"9" * 30).decode()) == MOST_ROWS


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")

    assert main(["--folder", str(tmp_path / "file" / "studio"), "--price-book", "none.csv"]) == 1

    assert "Not a directory" in capsys.readouterr().err


def test_options_that_are_no_numbers_of_theirs_are_wrong_usage():
    assert CliRunner().invoke(studio_command, ["--port", "99999"]).exit_code == 2
    wrong = CliRunner().invoke(reconcile, ["--since", "nan"])
    assert wrong.exit_code == 2
    assert "--since takes a number of hours, such as 48." in wrong.output


def test_a_studio_started_by_hand_is_joined_by_runs_of_its_folder(tmp_path):
    command = [sys.executable, "-m", "aurora_pipeline.studio", "--folder", str(tmp_path), "--price-book", str(BOOK)]
    by_hand = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = json.loads(by_hand.stdout.readline())["url"]

        with studio(tmp_path, BOOK, workers=1) as joined:
            assert joined == url
    finally:
        by_hand.terminate()
        by_hand.wait(30)
