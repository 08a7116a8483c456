"""What no sentence, page or log may show."""

import pytest

from aurora_pipeline.gear.secrets import scrub

KEY = "1f2e3d4c-key-id:sentinel-0f9e8d7c6b5a"


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("FAL_KEY", KEY)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"401 for Key {KEY} there", "401 for Key *** there"),
        ("its secret is sentinel-0f9e8d7c6b5a.", "its secret is ***."),
        ("see https://x/y.mp4?X-Amz-Signature=s3cr3t&a=1 now", "see https://x/y.mp4 now"),
        ("('https://x/y?token=s3cr3t')", "('https://x/y')"),
        ("postgresql://aurora:pa$$word@db:5432/ledger failed", "postgresql://***@db:5432/ledger failed"),
        ("Authorization: Key other:key", "Authorization: ***"),
        ("-H 'authorization: Bearer abc.def'", "-H 'authorization: ***'"),
        ("{'Authorization': 'Key other:key', 'a': 1}", "{'Authorization': '***', 'a': 1}"),
        ("[(b'Authorization', b'Key other:key')]", "[(b'Authorization', b'***')]"),
    ],
)
def test_a_secret_is_not_shown(text, shown):
    assert scrub(text) == shown
    assert scrub(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "data/campaigns/spring/scripts.csv has 2 problems:\n    line 3, text: is empty?\n  Mend this.",
        "Ask for authorization, then run again.",
        "write to ana@example.org; see https://fal.ai/docs#keys (10 MB at most)",
    ],
)
def test_everything_else_is_shown_as_it_was_written(text):
    assert scrub(text) == text


def test_a_short_part_of_a_key_does_not_blank_ordinary_words(monkeypatch):
    monkeypatch.setenv("FAL_KEY", "id:a")

    assert scrub("a clip and id:a") == "a clip and ***"


def test_urls_are_cleaned_without_a_key_too(monkeypatch):
    monkeypatch.delenv("FAL_KEY")

    assert scrub("https://x/y?sig=1 and a word") == "https://x/y and a word"
