"""The studio is fal to clients that were not touched: fal-client from PyPI, @fal-ai/client from npm, and this product.

The Python ones are told of nothing but a proxy and its certificate authority (HTTPS_PROXY, SSL_CERT_FILE). The npm
client is told by its own `proxyUrl` or `requestMiddleware`; AURORA_TEST_NPM names the folder in which it was installed.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import sqlalchemy as sa

from aurora_pipeline.aurora_videos import ledger_tables
from aurora_pipeline_tests.fal_proxy import FalProxy
from aurora_pipeline_tests.studio_bench import ENDPOINT, Running

HERE = Path(__file__).parent
SENTINEL = "canary0key0id:canary0key0secret"
BOUGHT = ["Our spring offer ends on Sunday.", "Call us today and see."]
NPM_VERSION = "1.10.1"


@pytest.fixture(scope="module")
def quick(launch: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A studio that completes at once, with real videos of the right length."""
    return launch(tmp_path_factory.mktemp("quick"), "--instant", is_fake=False)


@pytest.fixture(scope="module")
def proxy(quick: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FalProxy]:
    with FalProxy(quick.url, tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


def _untouched(case: str, proxy: FalProxy, home: Path) -> Any:
    """What one case of the untouched client says, in a process with an empty home and no other setting."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "FAL_KEY": SENTINEL, **proxy.environment}
    command = [sys.executable, str(HERE / "untouched_client.py"), case]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert proxy.refused == []
    return json.loads(ended.stdout)


def test_the_client_under_test_is_the_one_that_was_published() -> None:
    package = importlib.metadata.distribution("fal-client")

    hashed = [file for file in package.files or [] if file.hash is not None and file.suffix == ".py"]

    assert len(hashed) > 3
    for file in hashed:
        digest = hashlib.sha256(Path(str(file.locate())).read_bytes()).digest()
        assert file.hash is not None
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


# ---- fal-client
def test_fal_client_uploads_whole_files_by_every_way(quick: Running, proxy: FalProxy, tmp_path: Path) -> None:
    urls = _untouched("uploads", proxy, tmp_path)

    assert urls.keys() == {"v3", "fal", "file", "async"}
    for url in urls.values():
        assert url.startswith("https://v3.fal.media/files/")
        assert _fetched(quick, url)[:4] == b"RIFF"
    assert {"rest.fal.ai", "v3.fal.media"} <= set(proxy.connected)


def test_fal_client_uploads_large_files_in_parts(quick: Running, proxy: FalProxy, tmp_path: Path) -> None:
    sent = _untouched("multipart", proxy, tmp_path)

    assert [hashlib.sha256(_fetched(quick, url)).hexdigest() for url in sent["urls"]] == [sent["sha256"]] * 2


def test_fal_client_submits_follows_and_fetches(quick: Running, proxy: FalProxy, tmp_path: Path) -> None:
    told = _untouched("queue", proxy, tmp_path)

    here = f"https://queue.fal.run/fal-ai/creatify/requests/{told['request_id']}"
    first, second = told["results"]
    assert told["urls"] == [f"{here}/status", here, f"{here}/cancel"]
    assert told["last_event"] == "Completed"
    assert told["messages"][0] == "fetching image and audio"
    assert first == second
    assert _fetched(quick, first["video"]["url"])[4:8] == b"ftyp"
    (event,) = quick.billing_events(told["request_id"])
    assert event["cost_total"] == 0.07


def test_fal_client_cancels(held: Running, tmp_path: Path) -> None:
    with FalProxy(held.url, tmp_path) as proxy:
        told = _untouched("cancel", proxy, tmp_path)

    assert told == {"position": 0, "ended": ["client_cancelled"] * 2, "again": 400}


def test_fal_client_waits_by_subscribe_and_run(quick: Running, proxy: FalProxy, tmp_path: Path) -> None:
    told = _untouched("subscribe", proxy, tmp_path)

    (request_id,) = told["enqueued"]
    assert len(quick.billing_events(request_id)) == 1
    assert all(_fetched(quick, each["video"]["url"]) for each in told["results"])


def test_fal_client_raises_what_fal_refuses(quick: Running, proxy: FalProxy, tmp_path: Path) -> None:
    assert _untouched("refusals", proxy, tmp_path) == [[422, "missing"], [404, None], [404, None]]


def test_fal_clients_coroutines_do_the_same(quick: Running, proxy: FalProxy, tmp_path: Path) -> None:
    told = _untouched("from_coroutines", proxy, tmp_path)

    assert told["last_event"] == "Completed"
    assert all(_fetched(quick, each["video"]["url"]) for each in told["results"])


def test_the_proxy_lets_a_client_reach_nothing_but_fal(proxy: FalProxy, quick: Running, tmp_path: Path) -> None:
    with FalProxy(quick.url, tmp_path) as other, httpx.Client(proxy=other.environment["HTTPS_PROXY"]) as client:
        with pytest.raises(httpx.ProxyError, match="403 Forbidden"):
            client.get("https://example.com/")

        assert other.refused == ["example.com:443"]


def _fetched(studio: Running, url: str) -> bytes:
    """A file of fal's CDN, from the studio."""
    return studio.http.get(url.removeprefix("https:/")).content


# ---- this product, as a customer of fal
def test_the_product_buys_at_fal_and_its_ledger_is_fals_bill(
    launch: Callable[..., Running],
    aurora: Callable[..., subprocess.CompletedProcess[str]],
    new_home: Callable[..., Path],
    tmp_path: Path,
) -> None:
    home = new_home(spring=[f"{number},{text}" for number, text in enumerate(BOUGHT)])
    studio = launch(tmp_path / "fal", "--instant", is_fake=False)
    shutil.copy(home / "data" / "price_book.csv", tmp_path / "fal")

    with FalProxy(studio.url, tmp_path) as proxy:
        fal = {"AURORA_PROVIDER": "fal", "FAL_KEY": SENTINEL, "AURORA_POLL_SECONDS": "0.1", **proxy.environment}
        ran = aurora(home, "run", "spring", "--yes", **fal)
        again = aurora(home, "run", "spring", "--yes", **fal)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert again.returncode == 0, again.stdout + again.stderr
    assert proxy.refused == []
    assert {"queue.fal.run", "rest.fal.ai", "v3.fal.media"} <= set(proxy.connected)
    bought = _charges(home)
    billed = studio.billing_events(*(charge["request_id"] for charge in bought))
    assert [charge["state"] for charge in bought] == ["settled"] * len(BOUGHT)
    assert {charge["provider"] for charge in bought} == {"fal"}
    videos = duckdb.sql(f"SELECT is_draft FROM '{home}/data/output/aurora_videos/spring.parquet'").fetchall()
    assert videos == [(False,)] * len(BOUGHT)
    assert sum(Decimal(str(event["cost_total"])) for event in billed) == sum(charge["billed_usd"] for charge in bought)
    assert len(studio.listed()) == len(BOUGHT)
    delivered = [file.name for file in (home / "data" / "output" / "deliverables").rglob("*.mp4")]
    assert delivered
    assert not [name for name in delivered if "DRAFT" in name]
    for secret in (SENTINEL, *SENTINEL.split(":")[1:]):
        assert _files_with(secret, home) == []
        assert _files_with(secret, tmp_path) == []  # nor in the studio's own folder
        assert secret not in ran.stdout + ran.stderr


def _charges(home: Path) -> list[dict[str, Any]]:
    """What the ledger of a home says of its purchases."""
    engine = sa.create_engine(f"sqlite:///{home / 'data' / 'output' / 'ledger.sqlite'}")
    with engine.connect() as ledger:
        rows = ledger.execute(sa.select(ledger_tables.charges).order_by(ledger_tables.charges.c.clip_id)).mappings()
        return [dict(row) for row in rows]


def _files_with(text: str, folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


# ---- @fal-ai/client
@pytest.fixture(scope="module")
def npm() -> Path:
    """The folder of the untouched npm client."""
    folder = os.environ.get("AURORA_TEST_NPM", "")
    if not folder:
        pytest.skip("AURORA_TEST_NPM names no folder with node_modules/@fal-ai/client")
    package = json.loads((Path(folder) / "node_modules" / "@fal-ai" / "client" / "package.json").read_text())
    assert package["version"] == NPM_VERSION
    return Path(folder)


def _node(npm: Path, studio: Running, way: str, **environment: str) -> Any:
    node = shutil.which("node")
    assert node, "AURORA_TEST_NPM is set, but there is no node on the PATH"
    command = [node, str(HERE / "untouched_client.mjs"), str(npm), studio.url, way]
    clean = {"PATH": os.environ["PATH"], **environment}
    ended = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize("way", ["proxy", "middleware"])
def test_the_npm_client_uploads_submits_follows_and_fetches(npm: Path, studio: Running, video: Path, way: str) -> None:
    told = _node(npm, studio, way)

    assert told["uploads"] == [True, True]  # whole, and in parts
    for mode in ("polling", "streaming"):
        followed = told[mode]
        assert (followed["last"], followed["seen"], followed["sameId"]) == ("COMPLETED", "COMPLETED", True)
        logs = studio.http.get(f"/queue.fal.run/fal-ai/creatify/requests/{followed['requestId']}/status?logs=1").json()
        assert followed["messages"] == [entry["message"] for entry in logs["logs"]]
        assert followed["video"] == hashlib.sha256(video.read_bytes()).hexdigest()
        assert len(studio.billing_events(followed["requestId"])) == 1
    assert (told["stream"]["states"][-1], told["stream"]["done"]) == ("COMPLETED", "COMPLETED")
    assert told["refusals"] == [["ValidationError", 422], ["ApiError", 400], ["ApiError", 404]]
    assert told["waiting"] == [True, True]


@pytest.mark.parametrize("way", ["proxy", "middleware"])
def test_the_npm_client_cancels(npm: Path, held: Running, way: str) -> None:
    assert _node(npm, held, way, ONLY_CANCEL="1")["cancel"] == ["client_cancelled"] * 2


def test_the_studios_proxy_path_reaches_fals_hosts_only(studio: Running) -> None:
    asked = {"x-fal-target-url": f"https://api.fal.ai/v1/models/pricing?endpoint_id={ENDPOINT}"}
    elsewhere = {"x-fal-target-url": "https://example.com/"}

    assert studio.http.get("/_studio/proxy", headers=asked).json()["prices"]
    assert studio.http.get("/_studio/proxy", headers=elsewhere).status_code == 404
    assert studio.http.get("/_studio/proxy").status_code == 404
