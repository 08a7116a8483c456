"""The media store: bytes once, under their hash; names people read beside them."""

import hashlib
import os
import stat
import sys
import threading

import pytest

from aurora_pipeline.gear.media_store import MediaStore, key_of


@pytest.fixture
def store(tmp_path):
    return MediaStore(tmp_path / "media")


def _put(store, content, name="a.wav"):
    with store.workshop() as bench:
        (bench / name).write_bytes(content)
        return store.put(bench / name)


def test_bytes_are_kept_once_under_their_hash(store):
    first, second = _put(store, b"speech"), _put(store, b"speech", "other.wav")

    assert first == second == hashlib.sha256(b"speech").hexdigest()
    assert len(list(store.folder.rglob("*.wav"))) == 1
    assert store.require(first).read_bytes() == b"speech"


def test_a_damaged_copy_gives_way_to_whole_bytes(store):
    kept = store.require(_put(store, b"speech"))
    kept.chmod(0o644)
    kept.write_bytes(b"spe")

    sha256 = _put(store, b"speech", "again.mp4")

    assert store.require(sha256) == kept
    assert kept.read_bytes() == b"speech"
    assert len([file for file in store.folder.rglob("*") if file.is_file()]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a folder cannot be opened there")
def test_what_is_stored_survives_a_power_cut_with_its_name_and_its_folder(store, monkeypatch):
    written, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: written.append(os.fstat(file).st_ino) or fsync(file))

    home = store.require(_put(store, b"speech"))

    assert written == [each.stat().st_ino for each in (home, home.parent, store.folder)]


def test_many_writers_of_the_same_bytes_leave_one_whole_file(store):
    hashes = []
    writers = [threading.Thread(target=lambda: hashes.append(_put(store, b"x" * 100_000))) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert len(set(hashes)) == 1
    assert len(hashes) == 8
    assert store.require(hashes[0]).stat().st_size == 100_000


def test_stored_bytes_cannot_be_edited_by_mistake_through_their_readable_name(store, tmp_path):
    name = tmp_path / "campaign" / "clip.wav"
    store.lay_out(_put(store, b"speech"), name)

    assert name.read_bytes() == b"speech"
    assert not name.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


def test_a_readable_name_is_replaced_whole(store, tmp_path):
    name = tmp_path / "clip.wav"
    store.lay_out(_put(store, b"old"), name)

    store.lay_out(_put(store, b"new"), name)

    assert name.read_bytes() == b"new"
    assert {file.name for file in tmp_path.iterdir()} == {"clip.wav", "media"}


def test_where_the_disk_has_no_links_a_name_is_a_copy(store, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError

    monkeypatch.setattr(os, "link", refuse)

    store.lay_out(_put(store, b"speech"), tmp_path / "clip.wav")

    assert (tmp_path / "clip.wav").read_bytes() == b"speech"


def test_what_is_missing_is_none_or_an_error_with_its_hash(store):
    assert store.path("0" * 64) is None
    with pytest.raises(FileNotFoundError, match="0000"):
        store.require("0" * 64)


def test_facts_are_remembered_by_key_and_a_damaged_note_is_forgotten(store):
    key = key_of(text="hi", speed=1)
    store.remember(key, {"sha256": "abc"})
    assert MediaStore(store.folder).recall(key) == {"sha256": "abc"}

    next(store.folder.rglob("*.json")).write_text("{half", encoding="utf-8")
    assert store.recall(key) is None


def test_a_key_depends_on_every_fact_and_on_no_order():
    assert key_of(a=1, b=2) == key_of(b=2, a=1) != key_of(a=1, b=3)
