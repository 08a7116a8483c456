"""Stage 4: Video + Speech -> finished files and quality, checked with meters that are not ours (PyAV, pyloudnorm)."""

from __future__ import annotations

import contextlib
import shutil
import threading
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyloudnorm
import pytest
from PIL import Image
from scipy.signal import resample_poly

import aurora_pipeline
from aurora_pipeline.aurora_videos.records import Video
from aurora_pipeline.deliverables import Delivered, picture, quality, sound
from aurora_pipeline.deliverables.clip import Order, finish
from aurora_pipeline.deliverables.current import assert_current
from aurora_pipeline.deliverables.deliver import deliver_campaign
from aurora_pipeline.deliverables.hearing import RATE, compare
from aurora_pipeline.deliverables.picture import Plan, Region, Shape
from aurora_pipeline.deliverables.records import Deliverable, Quality
from aurora_pipeline.deliverables.seeing import mouth_motion, region_inside
from aurora_pipeline.deliverables.sound import Loudness
from aurora_pipeline.errors import Interrupted, VideoUnusable
from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.gear.faces import find_face
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.gear.probe import probe
from aurora_pipeline.progress import Silent
from aurora_pipeline.script_table.records import Campaign, DeliverySettings, Script
from aurora_pipeline.settings import Settings
from aurora_pipeline.studio.head.badge import badge
from aurora_pipeline.tts_audio.records import Speech

SECONDS = 3.0
SMALL = DeliverySettings(
    renditions=("1x1",), short_side=180
)  # what is tested does not depend on the size; the time it takes does


# ------------------------------------------------------------------------------------------------ material
def babble(seconds: float, *, seed: int, rate: int = 24_000) -> np.ndarray:
    """Speech-like noise: syllables at 4 Hz, two formants, peaks 14 dB over the mean, a pause of 0.5 s in the middle."""
    rng, time = np.random.default_rng(seed), np.arange(int(seconds * rate)) / rate
    voice = np.sin(2 * np.pi * 120 * time + 3 * np.sin(2 * np.pi * 3 * time)) + 0.8 * rng.standard_normal(len(time))
    syllables = (
        np.clip(np.sin(2 * np.pi * 4 * time + seed), 0, 1) ** 2
        * rng.uniform(0.4, 1, len(time) // 2000 + 1)[np.arange(len(time)) // 2000]
    )
    if seconds >= 2:
        syllables[(time > seconds / 2 - 0.25) & (time < seconds / 2 + 0.25)] = 0
    return np.asarray(0.1 * voice * syllables)


def write_wav(file: Path, samples: np.ndarray, *, rate: int = 24_000) -> Path:
    """``samples`` (mono, or one column a channel) as 16-bit WAV."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return file


@dataclass(frozen=True)
class Material:
    """A good talking clip (640x480, 25 fps, AAC) and the speech it was made from."""

    folder: Path
    speech: Path
    clip: Path

    def variant(self, name: str, *arguments: str, sound: Path | None = None) -> Path:
        """The good clip through ffmpeg once more, with a defect; ``sound`` takes the place of its own."""
        file = self.folder / f"{name}.mp4"
        coded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac"]
        tracks = ["-i", ffmpeg.target(sound), "-map", "0:v", "-map", "1:a"] if sound else []
        ffmpeg.run(["-i", ffmpeg.target(self.clip), *tracks, *coded, *arguments, ffmpeg.target(file)])
        return file


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("made here")
    speech = write_wav(folder / "speech.wav", babble(SECONDS, seed=1))
    clip = folder / "clip.mp4"
    ffmpeg.run(
        ["-f", "lavfi", "-i", f"testsrc2=size=640x480:rate=25:duration={SECONDS}", "-i", ffmpeg.target(speech),
         "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k",
         ffmpeg.target(clip)]
    )  # fmt: skip
    return Material(folder, speech, clip)


@dataclass
class Desk:
    """A media store with clips in it, and the stage to run over them."""

    settings: Settings
    delivery: DeliverySettings = SMALL
    campaign: str = "spring"

    def __post_init__(self) -> None:
        self.store = MediaStore(self.settings.media)
        self.videos: list[Video] = []
        self.speeches: list[Speech] = []
        self.notes: list[tuple[int, int, str]] = []
        self.edits: dict[str, dict[str, Any]] = {}  # clip_id -> what its row says otherwise

    def keep(self, file: Path) -> str:
        with self.store.workshop() as bench:
            return self.store.put(Path(shutil.copy(file, bench)))

    def add(self, clip_id: str, clip: Path, speech: Path, **changes: Any) -> None:
        with wave.open(str(speech)) as spoken:
            seconds, rate = spoken.getnframes() / spoken.getframerate(), spoken.getframerate()
        voice, film = self.keep(speech), self.keep(clip)
        self.speeches.append(
            Speech(self.campaign, clip_id, voice, seconds, rate, "e", "1", "v", "en", "Hi", "engine", ())
        )
        video = Video(
            self.campaign, clip_id, "fal", False, "aurora", "print", "charge", "request-7", film, voice, "face",
            "480p", 640, 480, 25.0, seconds, 3, Decimal("0.1"), Decimal("0.30"), False,
        )  # fmt: skip
        self.videos.append(replace(video, **changes))

    def deliver(self, *, clip_ids: Sequence[str] | None = None) -> Delivered:
        ids = [video.clip_id for video in self.videos] if clip_ids is None else clip_ids
        scripts = tuple(
            Script(self.campaign, i, "Hi", "p", "face", "v", "en", "480p", None, Decimal(1), Decimal(2), line)
            for line, i in enumerate(ids, start=2)
        )
        scripts = tuple(replace(script, **self.edits.get(script.clip_id, {})) for script in scripts)
        campaign = Campaign(self.campaign, "Spring", None, self.settings.root, self.delivery, scripts, "sha")
        return deliver_campaign(self.settings, campaign, self.speeches, self.videos, self)

    def advance(self, stage: str, done: int, total: int, note: str = "") -> None:
        assert stage == "deliverables"
        self.notes.append((done, total, note))

    def names(self) -> set[str]:
        home = self.settings.stage_folder("deliverables")
        return {file.relative_to(home).as_posix() for file in home.rglob("*") if file.is_file()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Settings(root=tmp_path, output=tmp_path / "output", workers=2))


# ------------------------------------------------------------------------------------------------ other meters
def heard_in(file: Path) -> np.ndarray:
    """A file's sound as PyAV decodes it, one column a channel, 48 kHz."""
    with av.open(str(file)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(blocks, axis=1).T.astype(float)


def lufs_of(samples: np.ndarray) -> float:
    """Integrated loudness by pyloudnorm; very short sound is repeated, as its gate needs 0.4 s."""
    if len(samples) < 24_000:
        samples = np.tile(samples, (8, 1))
    return float(pyloudnorm.Meter(48_000).integrated_loudness(samples))


def true_peak_of(samples: np.ndarray) -> float:
    """dBTP of the eightfold oversampled signal."""
    return float(20 * np.log10(np.abs(resample_poly(samples, 8, 1, axis=0)).max()))


def frame_of(file: Path, index: int = 10) -> np.ndarray:
    """One frame in RGB."""
    with av.open(str(file)) as container:
        for count, frame in enumerate(container.decode(video=0)):
            if count == index:
                return np.asarray(frame.to_ndarray(format="rgb24"))
    raise AssertionError(f"{file.name} has no frame {index}")


def the_only(delivered: Delivered) -> Quality:
    assert delivered.deliverables.failures == ()
    (row,) = delivered.quality.rows
    return row


# ------------------------------------------------------------------------------------------------ good clips
@pytest.fixture(scope="module")
def good(material: Material, tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, Delivered]:
    """The good clip, delivered once at full size; tests that only look share it."""
    home = tmp_path_factory.mktemp('it\'s a "good" place')
    desk = Desk(Settings(root=home, output=home / "out put", workers=1), delivery=DeliverySettings())
    desk.add("-intro", material.clip, material.speech)
    return desk, desk.deliver()


def test_a_good_clip_passes(good: tuple[Desk, Delivered]) -> None:
    desk, delivered = good
    facts = the_only(delivered)

    assert (facts.verdict, facts.reasons) == ("pass", "")
    assert (facts.width, facts.height, facts.fps, facts.video_codec) == (640, 480, 25.0, "h264")
    assert (facts.black_seconds, facts.frozen_seconds, facts.silent_seconds) == (0, 0, 0)
    assert facts.video_seconds == pytest.approx(SECONDS)
    assert facts.identity is not None
    assert facts.identity > 0.98
    assert facts.lag_seconds == pytest.approx(0, abs=0.005)
    assert delivered.deliverables.made == 1
    assert desk.notes == [(1, 1, "-intro: delivered, quality pass")]


def test_every_finished_file_lies_under_a_readable_name_and_in_the_store(good: tuple[Desk, Delivered]) -> None:
    desk, delivered = good
    rows = delivered.deliverables.rows

    expected = {"master": (640, 480), "9x16": (1080, 1920), "1x1": (1080, 1080), "16x9": (1920, 1080)}
    assert {row.rendition: (row.width, row.height) for row in rows} == {**expected, "poster": (640, 480)}
    for row in rows:
        suffix = "jpg" if row.rendition == "poster" else "mp4"
        assert row.file == f"deliverables/spring/-intro/{row.rendition}.{suffix}"
        assert (desk.settings.output / row.file).samefile(desk.store.require(row.sha256))
        assert (desk.settings.output / row.file).stat().st_size == row.bytes


def test_every_film_is_high_profile_bt709_faststart_and_decodes_to_its_last_frame(good: tuple[Desk, Delivered]) -> None:
    desk, delivered = good
    for row in delivered.deliverables.rows:
        if row.rendition == "poster":
            continue
        file = desk.settings.output / row.file
        with av.open(str(file)) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context
            assert (codec.name, codec.profile, codec.pix_fmt) == ("h264", "High", "yuv420p")
            assert (codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc) == (1, 1, 1, 1)
            assert (codec.width, codec.height, stream.average_rate) == (row.width, row.height, Fraction(25))
            times = [frame.time for frame in container.decode(stream)]
        assert times == pytest.approx([index / 25 for index in range(75)], abs=1e-4)
        whole = file.read_bytes()
        assert whole.index(b"moov") < whole.index(b"mdat")
        assert b"colr" in whole
        assert (row.fps, row.seconds, row.video_codec, row.audio_codec) == (25.0, 3.0, "h264", "aac")


def test_every_film_has_the_campaigns_loudness_by_another_meter(good: tuple[Desk, Delivered]) -> None:
    desk, delivered = good
    for row in delivered.deliverables.rows:
        if row.rendition == "poster":
            assert (row.loudness_lufs, row.true_peak_dbtp) == (None, None)
            continue
        samples = heard_in(desk.settings.output / row.file)
        assert lufs_of(samples) == pytest.approx(-14, abs=0.5)
        assert true_peak_of(samples) < -1
        assert row.loudness_lufs == pytest.approx(lufs_of(samples), abs=0.2)
        assert len(samples) / 48_000 == pytest.approx(SECONDS, abs=0.03)


def test_a_second_run_makes_nothing_and_lays_missing_names_out_again(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech)
    first = desk.deliver()
    names = desk.names()
    shutil.rmtree(desk.settings.stage_folder("deliverables"))

    second = desk.deliver()

    assert (first.deliverables.made, second.deliverables.made, second.quality.made) == (1, 0, 0)
    assert second.deliverables.rows == first.deliverables.rows
    assert second.quality.rows == first.quality.rows
    assert desk.names() == names
    assert desk.notes[-1] == (1, 1, "intro: kept, quality pass")


def test_a_file_missing_from_the_store_is_made_again_byte_for_byte(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech)
    first = desk.deliver()
    desk.store.require(first.deliverables.rows[1].sha256).unlink()

    second = desk.deliver()

    assert second.deliverables.made == 1
    assert [row.sha256 for row in second.deliverables.rows] == [row.sha256 for row in first.deliverables.rows]


def test_other_delivery_settings_make_other_files(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech)
    desk.deliver()
    desk.delivery = replace(SMALL, renditions=("4x5",), loudness_lufs=Decimal(-16))

    second = desk.deliver()

    assert second.deliverables.made == 1
    assert {row.rendition: (row.width, row.height) for row in second.deliverables.rows} == {
        "master": (640, 480), "4x5": (180, 224), "poster": (640, 480)
    }  # fmt: skip
    assert desk.names() == {"spring/intro/master.mp4", "spring/intro/4x5.mp4", "spring/intro/poster.jpg"}
    master = desk.settings.output / second.deliverables.rows[0].file
    assert lufs_of(heard_in(master)) == pytest.approx(-16, abs=0.5)


def test_a_draft_says_draft_in_its_names_and_in_its_files(material: Material, desk: Desk) -> None:
    desk.delivery = replace(SMALL, renditions=("9x16", "1x1"))
    desk.add("intro", material.clip, material.speech, is_draft=True, provider="studio")

    rows = desk.deliver().deliverables.rows

    assert desk.names() == {
        f"spring/intro/{name}" for name in
        ("master.DRAFT.mp4", "9x16.DRAFT.mp4", "1x1.DRAFT.mp4", "poster.DRAFT.jpg")
    }  # fmt: skip
    for row in rows:
        assert row.is_draft
        if row.rendition != "poster":
            with av.open(str(desk.settings.output / row.file)) as container:
                assert container.metadata["comment"].startswith("DRAFT")


def test_a_bought_clip_takes_the_place_of_its_draft_and_only_the_drafts_parts_are_marked(
    material: Material, desk: Desk
) -> None:
    desk.delivery = replace(SMALL, renditions=("9x16", "16x9", "4x3"))
    desk.add("intro", material.clip, material.speech, is_draft=True)
    draft = {row.rendition: corner_of(desk, row) for row in desk.deliver().deliverables.rows}
    desk.videos = [replace(desk.videos[0], is_draft=False)]

    rows = desk.deliver().deliverables.rows

    assert not any("DRAFT" in name for name in desk.names())
    bought = {row.rendition: corner_of(desk, row) for row in rows}
    for rendition, corner in bought.items():  # a part is marked itself; the whole picture shows the studio's mark
        apart = np.abs(draft[rendition] - corner).mean()
        assert apart > 20 if rendition in {"9x16", "16x9"} else apart < 1, rendition
    assert np.abs(bought["master"] - corner_in(frame_of(material.clip, 0))).mean() < 8
    with av.open(str(desk.settings.output / rows[0].file)) as container:
        assert "comment" not in container.metadata


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (720, 720), (854, 480), (481, 601), (832, 448)])
@pytest.mark.parametrize("face", [None, Region(0, 0, 40, 40), Region(440, 400, 40, 40)])
def test_a_draft_film_without_our_mark_shows_all_of_the_studios(size: tuple[int, int], face: Region | None) -> None:
    shapes = [picture.shape_of(name, 720) for name in ("9x16", "1x1", "16x9")]
    crop = replace(WIDE, width=size[0], height=size[1], face=face)
    stamp, (left, top) = badge(*size)

    unmarked = [shape for shape in shapes if picture.shows_all(crop, shape)]

    for shape in unmarked:
        part = picture.crop_region(crop, shape)
        assert part.x <= left
        assert part.y <= top
        assert left + stamp.width <= part.x + part.width
        assert top + stamp.height <= part.y + part.height
    whole = {(1280, 720): {"16x9"}, (854, 480): {"16x9"}, (720, 1280): {"9x16"}, (720, 720): {"1x1"}}
    assert {shape.name for shape in unmarked} == whole.get(size, set())
    assert all(picture.shows_all(replace(crop, fit="pad"), shape) for shape in shapes)


def test_a_padded_draft_shows_the_whole_picture_and_no_second_mark() -> None:
    shapes = tuple(picture.shape_of(name, 720) for name in ("9x16", "1x1"))

    words = arguments_of(replace(WIDE, shapes=shapes, fit="pad"), mark=Path("/out/mark.png"))

    assert "file:/out/mark.png" not in words
    assert words.count(f"comment={picture.DRAFT_COMMENT}") == 3


def corner_of(desk: Desk, row: Deliverable) -> np.ndarray:
    """The upper left of a finished picture, where the mark is."""
    file = desk.store.require(row.sha256)
    whole = np.asarray(Image.open(file).convert("RGB")) if row.rendition == "poster" else frame_of(file, 0)
    return corner_in(whole)


def corner_in(picture: np.ndarray) -> np.ndarray:
    side = min(picture.shape[:2])
    return picture[int(0.05 * side) : int(0.12 * side), int(0.06 * side) : int(0.32 * side)].astype(float)


def test_names_of_clips_that_left_the_campaign_go_but_nothing_else_does(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech)
    desk.add("outro", material.clip, material.speech, is_draft=True)
    desk.deliver()
    home = desk.settings.stage_folder("deliverables") / "spring"
    (home / "outro" / "my notes.txt").write_text("keep me")
    stored = set(desk.settings.media.rglob("*.mp4"))

    delivered = desk.deliver(clip_ids=["intro"])

    assert {row.clip_id for row in delivered.deliverables.rows} == {"intro"}
    assert {name for name in desk.names() if "outro" in name} == {"spring/outro/my notes.txt"}
    assert set(desk.settings.media.rglob("*.mp4")) == stored


# ------------------------------------------------------------------------------------------------ planted defects
LATE = ("-af", "adelay=300:all=1,atrim=0:3")
BLACK = ("-vf", "drawbox=t=fill:c=black:enable='between(t,1,1.99)'")
FROZEN = ("-vf", "loop=loop=25:size=1:start=15,setpts=N/25/TB,trim=0:3,setpts=PTS-STARTPTS")


@pytest.mark.parametrize(
    ("name", "arguments", "verdict", "sentence"),
    [
        ("black", BLACK, "fail", "The picture is black for 1.00 s."),
        ("frozen", FROZEN, "warn", "The picture stands still for"),
        ("shifted", LATE, "fail", "The speech is heard 0.30 s too late."),
        ("silent", ("-af", "volume=0"), "fail", "The clip is silent."),
        ("muted", ("-af", "volume=0:enable='between(t,0.3,1)'"), "warn", "are silent where the speech is not."),
        ("short", ("-t", "1.5"), "fail", "The video lasts 1.52 s and the speech 3.00 s: it is likely cut short."),
        ("long", ("-vf", "tpad=stop_duration=0.7", "-af", "apad=pad_dur=0.7"), "warn", "it runs on after the speech."),
        ("uneven", ("-af", "atrim=0:2.5"), "warn", "not equally long (picture 3.00 s, sound 2.5"),
        ("small", ("-vf", "scale=448:336"), "warn", "The video is 448x336; 480p was asked for."),
        ("slow", ("-r", "12"), "warn", "The video has 12.00 frames a second, not 25."),
    ],
)  # fmt: skip
def test_a_planted_defect_is_found_and_named(
    material: Material, desk: Desk, name: str, arguments: Sequence[str], verdict: str, sentence: str
) -> None:
    desk.add("clip", material.variant(name, *arguments), material.speech)

    facts = the_only(desk.deliver())

    assert sentence in facts.reasons
    assert facts.verdict in {verdict, "fail"}  # losing sound may also make it another sound


def test_other_words_than_those_sent_are_found(material: Material, desk: Desk) -> None:
    other = write_wav(material.folder / "other.wav", babble(SECONDS, seed=2))
    clip = material.variant("wrong", sound=other)
    desk.add("clip", clip, material.speech)

    facts = the_only(desk.deliver())

    assert facts.verdict == "fail"
    assert "The sound is not the speech that was sent" in facts.reasons


def test_sound_that_starts_late_in_the_container_stays_late_and_is_named(material: Material, desk: Desk) -> None:
    late = material.folder / "late.mp4"
    file = ffmpeg.target(material.clip)
    ffmpeg.run(["-i", file, "-itsoffset", "0.3", "-i", file, "-map", "0:v", "-map", "1:a", "-c", "copy",
                ffmpeg.target(late)])  # fmt: skip
    desk.add("clip", late, material.speech)

    delivered = desk.deliver()
    facts = the_only(delivered)

    assert facts.verdict == "fail"
    assert "The sound begins 0." in facts.reasons
    assert "The speech is heard 0.30 s too late." in facts.reasons
    mono = heard_in(desk.settings.output / delivered.deliverables.rows[0].file).mean(axis=1)
    assert np.abs(mono[: int(0.25 * 48_000)]).max() < 1e-3  # nothing before its time, but the coder's run-in of 43 ms
    assert len(mono) / 48_000 == pytest.approx(SECONDS, abs=0.03)  # and both tracks end together


def test_a_clip_without_sound_is_given_its_speech_and_fails(material: Material, desk: Desk) -> None:
    desk.add("clip", material.variant("mute", "-an"), material.speech)

    delivered = desk.deliver()

    assert the_only(delivered).verdict == "fail"
    assert "The video came without sound" in the_only(delivered).reasons
    assert lufs_of(heard_in(desk.settings.output / delivered.deliverables.rows[0].file)) == pytest.approx(-14, abs=0.5)


def spoil_by_cutting(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def spoil_by_damage(whole: bytes) -> bytes:
    middle = len(whole) // 2
    return whole[:middle] + bytes(600) + whole[middle + 600 :]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoil_by_cutting, "it is cut short after"),
        (spoil_by_damage, "it cannot be decoded ("),
        (lambda whole: b"<html>502 Bad Gateway</html>", "it does not begin like one (no ftyp box)"),
    ],
)
def test_a_damaged_clip_fails_alone_and_says_that_it_was_paid_for_and_kept(
    material: Material, desk: Desk, spoil: Callable[[bytes], bytes], why: str
) -> None:
    whole = material.variant("whole", "-movflags", "+faststart").read_bytes()
    damaged = material.folder / "damaged.mp4"
    damaged.write_bytes(spoil(whole))
    desk.add("bad", damaged, material.speech)
    desk.add("good", material.clip, material.speech)

    delivered = desk.deliver()

    (failure,) = delivered.deliverables.failures
    assert (failure.campaign, failure.clip_id, failure.stage) == ("spring", "bad", "deliverables")
    assert failure.sentence.startswith("The video of clip 'bad' cannot be used: ")
    assert why in failure.sentence
    assert "It was paid for (0.30 USD) and its file is kept" in failure.sentence
    assert "request-7" in failure.sentence
    assert {row.clip_id for row in delivered.deliverables.rows} == {"good"}
    assert the_good_one_passes(delivered)
    assert sorted(note for _, _, note in desk.notes) == ["bad: failed", "good: delivered, quality pass"]


def the_good_one_passes(delivered: Delivered) -> bool:
    return [row.verdict for row in delivered.quality.rows] == ["pass"]


def test_a_clip_without_picture_fails(material: Material, desk: Desk) -> None:
    desk.add("clip", material.variant("deaf", "-vn"), material.speech)

    (failure,) = desk.deliver().deliverables.failures

    assert "it has no picture" in failure.sentence


def test_bytes_that_left_the_store_and_missing_speech_are_failures_not_crashes(material: Material, desk: Desk) -> None:
    desk.add("lost", material.clip, material.speech)
    desk.add("mute", material.clip, material.speech)
    desk.speeches.pop()
    desk.store.require(desk.videos[0].sha256).unlink()

    sentences = {failure.clip_id: failure.sentence for failure in desk.deliver().deliverables.failures}

    assert "The video of clip 'lost' is no longer in the media store" in sentences["lost"]
    assert "Clip 'mute' has a video but no speech to compare it with" in sentences["mute"]
    assert all("Nothing was spent." in sentence for sentence in sentences.values())


@pytest.mark.parametrize(
    ("edit", "what", "stages"),
    [
        ({"text": "Bye"}, "text", "tts_audio and aurora_videos"),
        ({"voice": "w", "language": "de"}, "voice and language", "tts_audio and aurora_videos"),
        ({"portrait_sha256": "other"}, "portrait", "aurora_videos"),
        ({"resolution": "720p"}, "resolution", "aurora_videos"),
        ({"text": "Bye", "resolution": "720p"}, "text and resolution", "tts_audio and aurora_videos"),
    ],
)
def test_a_film_of_an_earlier_script_is_not_delivered_for_todays(
    material: Material, desk: Desk, edit: dict[str, Any], what: str, stages: str
) -> None:
    desk.add("intro", material.clip, material.speech)
    desk.edits["intro"] = edit

    delivered = desk.deliver()

    (failure,) = delivered.deliverables.failures
    assert failure.sentence == (
        f"Clip 'intro' was not delivered: its {what} changed since its video was made; run {stages} again. "
        "What was bought is kept."
    )
    assert (delivered.deliverables.rows, delivered.quality.rows, desk.names()) == ((), (), set())


def test_a_film_of_an_earlier_speech_is_not_delivered_with_todays(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech)
    desk.videos = [replace(desk.videos[0], speech_sha256="of yesterday")]

    (failure,) = desk.deliver().deliverables.failures

    assert "its speech changed since its video was made; run aurora_videos again." in failure.sentence


@pytest.mark.parametrize(
    ("asked", "spoken", "is_same"),
    [("en", "en-US", True), ("", "en-US", True), ("EN_gb", "en-US", True), ("de", "en-US", False), ("e", "en", False)],
)
def test_a_language_is_compared_by_its_primary_subtag(
    material: Material, desk: Desk, asked: str, spoken: str, *, is_same: bool
) -> None:
    desk.add("intro", material.clip, material.speech)
    script = Script("spring", "intro", "Hi", "p", "face", "v", asked, "480p", None, Decimal(1), Decimal(2), 2)

    with contextlib.nullcontext() if is_same else pytest.raises(VideoUnusable, match="its language changed"):
        assert_current(script, replace(desk.speeches[0], language=spoken), desk.videos[0])


BOUGHT = {"spring/intro/master.mp4", "spring/intro/1x1.mp4", "spring/intro/poster.jpg"}
DRAFTS = {"spring/intro/master.DRAFT.mp4", "spring/intro/1x1.DRAFT.mp4", "spring/intro/poster.DRAFT.jpg"}


def test_a_draft_is_shown_beside_the_bought_film_of_the_earlier_text(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech)
    desk.deliver()
    desk.videos = [replace(desk.videos[0], is_draft=True)]

    desk.deliver()

    assert desk.names() == BOUGHT | DRAFTS


def test_a_bought_film_takes_the_names_of_its_draft_away(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech, is_draft=True)
    desk.deliver()
    before = desk.names()
    desk.videos = [replace(desk.videos[0], is_draft=False)]

    desk.deliver()

    assert (before, desk.names()) == (DRAFTS, BOUGHT)


def test_a_clip_that_fails_this_time_keeps_the_names_it_had(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech)
    desk.add("other", material.clip, material.speech)
    desk.deliver()
    before = desk.names()
    desk.edits["intro"] = {"text": "Bye"}
    desk.videos.pop()  # and of this one there is no video at all

    delivered = desk.deliver(clip_ids=["intro", "other"])

    assert delivered.deliverables.rows == ()
    assert desk.names() == before


def test_a_clip_that_left_the_campaign_loses_its_names(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech)
    desk.deliver()

    desk.deliver(clip_ids=[])

    assert desk.names() == set()


def test_a_rendition_that_is_no_longer_asked_for_goes_also_among_drafts(material: Material, desk: Desk) -> None:
    desk.add("intro", material.clip, material.speech, is_draft=True)
    desk.deliver()
    desk.delivery = replace(SMALL, renditions=())

    desk.deliver()

    assert desk.names() == DRAFTS - {"spring/intro/1x1.DRAFT.mp4"}


def test_stopping_leaves_no_half_made_file_behind(material: Material, desk: Desk) -> None:
    desk.add("clip", material.clip, material.speech)
    before = set(desk.settings.media.rglob("*.mp4"))
    stop = threading.Event()
    stop.set()

    with pytest.raises(Interrupted):
        finish(Order(desk.videos[0], desk.speeches[0], DeliverySettings()), desk.store, stop)

    assert set(desk.settings.media.rglob("*.mp4")) == before
    assert list((desk.settings.media / ".workshop").iterdir()) == []


# ------------------------------------------------------------------------------------------------ loudness
def stereo_of(mono: np.ndarray) -> np.ndarray:
    return np.stack([mono, 0.5 * mono], axis=1)


def peaky(seconds: float) -> np.ndarray:
    """Quiet speech with one plosive: the hardest case of media.md 3."""
    samples = 0.2 * babble(seconds, seed=4)
    middle = len(samples) // 4
    samples[middle : middle + 240] += 0.9 * np.sin(np.linspace(0, 6 * np.pi, 240))
    return np.asarray(samples)


LOUDNESS_CASES = {
    "1 s": babble(1, seed=1),
    "2 s": babble(2, seed=2),
    "5 s": babble(5, seed=3),
    "0.3 s": babble(0.3, seed=1),
    "stereo": stereo_of(babble(3, seed=5)),
    "loud": np.clip(8 * babble(3, seed=6), -1, 1),
    "peaky 5 s": peaky(5),
}


@pytest.mark.parametrize("name", LOUDNESS_CASES)
def test_sound_is_brought_to_its_target_without_passing_the_peak_limit(tmp_path: Path, name: str) -> None:
    samples = LOUDNESS_CASES[name]
    seconds = len(samples) / 24_000
    raw = write_wav(tmp_path / "raw.wav", samples)

    sound.align(ffmpeg.source(raw).audio, tmp_path / "aligned.wav", seconds=seconds)
    said = sound.encode(tmp_path / "aligned.wav", tmp_path / "sound.m4a", delivery=SMALL, seconds=seconds)

    made = heard_in(tmp_path / "sound.m4a")[: round(seconds * 48_000)]  # less the last block's filling
    assert made.shape[1] == 2
    assert lufs_of(made) == pytest.approx(-14, abs=0.5)
    assert true_peak_of(made) < -1
    assert said.lufs == pytest.approx(lufs_of(made), abs=0.25)


def test_no_more_than_30_db_are_given_and_the_shortfall_is_a_reason(material: Material, desk: Desk) -> None:
    quiet = write_wav(material.folder / "quiet.wav", 0.05 * babble(SECONDS, seed=1))
    clip = material.variant("quiet", sound=quiet)
    desk.add("clip", clip, quiet)

    facts = the_only(desk.deliver())

    assert facts.loudness_lufs is not None
    assert facts.loudness_lufs < -20
    assert f"The clip is at {facts.loudness_lufs:.1f} LUFS instead of -14" in facts.reasons


@pytest.mark.parametrize(("asked", "limit"), [("0", -1), ("-1", -1), ("-1.5", -1), ("-3", -2.5)])
def test_a_true_peak_is_never_accepted_at_or_above_minus_1(asked: str, limit: float) -> None:
    delivery = replace(SMALL, true_peak_dbtp=Decimal(asked))

    assert sound.peak_limit(delivery) == limit
    assert quality.is_on_target(-14.0, limit - 0.1, delivery)
    assert not quality.is_on_target(-14.0, limit, delivery)
    assert not quality.is_on_target(-14.0, 0.5, delivery)


def test_silence_is_left_silent(tmp_path: Path) -> None:
    write_wav(tmp_path / "aligned.wav", np.zeros((48_000, 2)), rate=48_000)

    assert sound.level(tmp_path / "aligned.wav", delivery=SMALL, seconds=1.0) == sound.Levelling()


# ------------------------------------------------------------------------------------------------ shapes and graph
WIDE = Plan(1280, 720, Fraction(25), 4.0, False, False, None, (), "crop")


@pytest.mark.parametrize(
    ("name", "size"), [("9x16", (1080, 1920)), ("1x1", (1080, 1080)), ("16x9", (1920, 1080)), ("4x5", (1080, 1350))]
)
def test_a_rendition_is_named_after_its_shape(name: str, size: tuple[int, int]) -> None:
    shape = picture.shape_of(name, 1080)

    assert (shape.width, shape.height) == size


def test_a_crop_follows_the_face_as_far_as_the_edges_allow() -> None:
    upright = Shape("9x16", 1080, 1920)
    right = replace(WIDE, face=Region(800, 100, 200, 200))
    corner = replace(WIDE, face=Region(1200, 0, 80, 80))

    assert picture.crop_region(WIDE, upright) == Region(438, 0, 404, 720)
    assert picture.crop_region(right, upright) == Region(698, 0, 404, 720)
    assert picture.crop_region(corner, upright) == Region(876, 0, 404, 720)


def test_a_tall_source_is_cropped_around_the_face_in_height() -> None:
    tall = replace(WIDE, width=448, height=832, face=Region(100, 60, 200, 200))

    part = picture.crop_region(tall, Shape("16x9", 1920, 1080))

    assert part == Region(0, 34, 448, 252)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", ["640x480", "448x832", "321x241"])
def test_pictures_are_never_stretched(tmp_path: Path, fit: str, size: str) -> None:
    """A white square stays a square in every rendition; padding shows all of the picture, cropping fills the shape."""
    width, height = (int(side) for side in size.split("x"))
    square = f"drawbox=x={width // 2 - 50}:y={height // 2 - 50}:w=100:h=100:c=white:t=fill"
    ffmpeg.run(["-f", "lavfi", "-i", f"color=c=0x203040:size={size}:rate=25:duration=0.5,format=yuv444p,{square}",
                "-c:v", "libx264", "-preset", "ultrafast", ffmpeg.target(tmp_path / "in.mp4")])  # fmt: skip
    ffmpeg.run(["-f", "lavfi", "-i", "anoisesrc=duration=0.5", "-c:a", "aac", ffmpeg.target(tmp_path / "sound.m4a")])
    plan = picture.plan_for(probe(tmp_path / "in.mp4"), delivery=DeliverySettings(short_side=360, fit=fit), face=None)

    ffmpeg.run(picture.build_graph(tmp_path / "in.mp4", tmp_path / "sound.m4a", tmp_path, plan))

    for shape in plan.shapes:
        white = frame_of(tmp_path / f"{shape.name}.mp4", 5).min(axis=2) > 190
        across, down = white.any(axis=0).sum(), white.any(axis=1).sum()
        scale = {"crop": max, "pad": min}[fit](shape.width / width, shape.height / height)
        assert across / down == pytest.approx(1, abs=0.03)
        assert across == pytest.approx(100 * scale, rel=0.03)


def arguments_of(plan: Plan, *, mark: Path | None = None) -> list[str]:
    import ffmpeg as graph

    made = picture.build_graph(Path("/in/v.mp4"), Path("/in/a.m4a"), Path("/out"), plan, mark=mark)
    return [str(word) for word in graph.get_args(made)]


def test_the_graph_decodes_once_and_copies_the_sound_into_every_film() -> None:
    words = arguments_of(replace(WIDE, shapes=(Shape("9x16", 1080, 1920), Shape("1x1", 1080, 1080))))

    assert words.count("-i") == 2
    assert [words[i + 1] for i, word in enumerate(words) if word == "-i"] == ["file:/in/v.mp4", "file:/in/a.m4a"]
    assert words.count("-acodec") == words.count("copy") == 3
    assert {f"file:/out/{name}" for name in ("master.mp4", "9x16.mp4", "1x1.mp4", "poster.jpg")} <= set(words)
    assert words.count("+faststart") == words.count("libx264") == 3
    assert [words[i + 1] for i, word in enumerate(words) if word == "-crf"].count("18") == 1
    assert "pipe:1" not in words  # no face, no mouth
    filters = words[words.index("-filter_complex") + 1]
    assert "split=5" in filters
    assert filters.startswith("[0:v]fps=fps=25:start_time=0")
    assert filters.count("setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv") == 4


def test_the_graph_looks_at_the_mouth_when_there_is_a_face() -> None:
    words = arguments_of(replace(WIDE, face=Region(500, 100, 200, 240)))

    filters = words[words.index("-filter_complex") + 1]
    assert words[words.index("pipe:1") - 3 :].count("gray") == 1
    assert "crop=100:96:550:244" in filters
    assert "scale=48:32" in filters


def test_the_graph_marks_only_drafts_as_drafts() -> None:
    assert f"comment={picture.DRAFT_COMMENT}" in arguments_of(WIDE, mark=Path("/out/mark.png"))
    assert "-metadata" not in arguments_of(WIDE)
    assert "overlay" not in " ".join(arguments_of(WIDE))


def test_a_freeze_that_never_ends_lasts_to_the_end_of_the_clip() -> None:
    log = "lavfi.freezedetect.freeze_start: 1.2\n[x] black_start:0.5 black_end:0.75 black_duration:0.25\n"

    spans = picture.read_spans(log, seconds=3.0)

    assert spans == picture.Spans(black=((0.5, 0.75),), frozen=((1.2, 3.0),))


# ------------------------------------------------------------------------------------------------ judging
def test_sound_is_compared_at_its_own_level() -> None:
    speech = babble(3, seed=1, rate=RATE).astype(np.float32)

    heard = compare(0.05 * speech, speech)

    assert heard.identity == pytest.approx(1, abs=0.001)
    assert (heard.lag_seconds, heard.silent_seconds) == (0, 0)


@pytest.mark.parametrize("lag", [-0.5, 0.08, 0.5])
def test_the_lag_is_measured_to_the_sample(lag: float) -> None:
    speech = babble(3, seed=1, rate=RATE).astype(np.float32)
    shifted = np.roll(np.pad(speech, RATE), round(lag * RATE))[RATE:-RATE]

    assert compare(shifted, speech).lag_seconds == pytest.approx(lag, abs=0.001)


def test_a_still_mouth_and_a_talking_one_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    still = np.full((50, 32, 48), 120) + rng.integers(-1, 2, (50, 32, 48))
    talking = still + 20 * (np.arange(50) % 3 == 0)[:, None, None]

    motions = [mouth_motion(frames.astype(np.uint8).tobytes()) for frames in (still, talking)]

    assert motions[0] is not None
    assert motions[1] is not None
    assert motions[0] < quality.MOUTH_MOTION < motions[1]
    assert mouth_motion(b"") is None


def test_a_still_mouth_and_high_peaks_are_reasons_to_look(material: Material) -> None:
    heard = compare(np.ones(RATE, np.float32), np.ones(RATE, np.float32))  # a constant is like nothing
    facts = quality.Facts(
        speech_seconds=SECONDS, resolution="480p", source=probe(material.clip), heard=replace(heard, identity=1.0),
        black_seconds=0.0, frozen_seconds=0.0, mouth_motion=0.9, loudness=Loudness(-14.0, -0.4),
    )  # fmt: skip

    verdict, reasons = quality.judge(facts, SMALL)

    assert verdict == "warn"
    assert reasons == (
        "The mouth hardly moves (0.9 grey levels between frames). Its true peak is -0.4 dBTP, not under -1."
    )


def test_an_upright_crop_keeps_a_face_at_the_side_and_a_portrait_that_stands_still_is_noticed(
    material: Material, desk: Desk
) -> None:
    portrait = Path(aurora_pipeline.__file__).parent / "studio" / "samples" / "portrait.png"
    aside = "scale=-2:400,crop=400:400,pad=854:480:430:40:color=gray"
    still = material.folder / "still.mp4"
    ffmpeg.run(["-loop", "1", "-framerate", "25", "-t", "3", "-i", ffmpeg.target(portrait), "-i",
                ffmpeg.target(material.speech), "-vf", aside, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt",
                "yuv420p", "-c:a", "aac", ffmpeg.target(still)])  # fmt: skip
    desk.delivery = replace(SMALL, renditions=("9x16",), short_side=360)
    desk.add("clip", still, material.speech)

    delivered = desk.deliver()

    facts = the_only(delivered)
    assert facts.mouth_motion == pytest.approx(0, abs=0.2)
    assert "The mouth hardly moves" in facts.reasons
    assert "The picture stands still for" in facts.reasons
    upright = desk.settings.output / delivered.deliverables.rows[1].file
    face = find_face(Image.fromarray(frame_of(upright)))
    assert face is not None
    assert face.centre[0] == pytest.approx(180, abs=20)  # the middle of 360


def test_a_face_box_that_leaves_the_picture_is_cut_to_it() -> None:
    assert region_inside((-10, -10, 60, 50), width=100, height=100) == Region(0, 0, 50, 40)
    assert region_inside((95, 95, 60, 50), width=100, height=100) is None


def test_a_campaign_without_videos_is_delivered_as_nothing(desk: Desk) -> None:
    campaign = Campaign("spring", "Spring", None, desk.settings.root, SMALL, (), "sha")

    delivered = deliver_campaign(desk.settings, campaign, [], [], Silent())

    assert (delivered.deliverables.rows, delivered.quality.rows) == ((), ())
