"""studio/head: a portrait and a sound become a talking head, marked DRAFT."""

import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from hibari import Hibari
from PIL import Image

from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.gear.faces import find_face
from aurora_pipeline.gear.probe import probe
from aurora_pipeline.studio.head.badge import COMMENT, Stamp, badge
from aurora_pipeline.studio.head.head import Head
from aurora_pipeline.studio.head.lips import frame_count, lip_track
from aurora_pipeline.studio.head.motion import head_motion
from aurora_pipeline.studio.head.planes import planes
from aurora_pipeline.studio.head.render import NoFace, NotAPicture, NotSound, render
from aurora_pipeline.studio.head.warp import Frame, planar, sample

REPOSITORY = Path(__file__).resolve().parent.parent
AVATARS = REPOSITORY / "data" / "avatars"
ANA = AVATARS / "ana.png"
RATE = 24_000
PAUSE = 1.0  # seconds
MOUTH = (slice(300, 400), slice(360, 495))  # rows and columns of ana's mouth at 854 x 480
EYES = (slice(212, 250), slice(345, 508))  # below the brows


@pytest.fixture(scope="module")
def speech():
    """A sentence of about two and a half seconds, -1 to 1 at 24 kHz."""
    return np.asarray(Hibari(threads=1)("Our new mobile app makes it simple.", seed=0), np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("head")


@pytest.fixture(scope="module")
def speech_wav(folder, speech):
    return _wav(folder / "speech.wav", speech)


@pytest.fixture(scope="module")
def spoken(folder, speech_wav):
    """The sentence rendered at 480p."""
    target = folder / "spoken.mp4"
    return target, render(ANA, speech_wav, target, resolution="480p")


@pytest.fixture(scope="module")
def spoken_pictures(spoken):
    return _pictures(spoken[0])


@pytest.fixture(scope="module")
def head():
    """Ana at 480p, ready to speak; each test shows what it needs."""
    picture = Image.open(ANA).convert("RGB").resize((854, 480), Image.Resampling.LANCZOS)
    return Head(picture, find_face(picture))


def _wav(path, samples, rate=RATE):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def _pictures(path):
    """Luma of every frame."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)]).astype(np.float32)


def _loudness(samples, rate=RATE):
    size = rate // 25
    return np.array([np.sqrt(np.mean(np.square(samples[i : i + size]))) for i in range(0, len(samples) - size, size)])


def _shown(head, *, opening=0.0, lids=0.0):
    """The frame with the head held still."""
    head.show(opening=opening, spread=0, voice=1 if opening else 0, lids=lids)
    head.move(shift_x=0, shift_y=0, turn=0, scale=1)
    return head.canvas.luma.astype(np.float32)


# ---- the mouth follows the speech


def test_the_mouth_moves_while_there_is_speech_and_rests_in_a_pause(folder, speech):
    pause = np.zeros(int(PAUSE * RATE), np.float32)
    sound = _wav(folder / "paused.wav", np.concatenate([speech, pause, speech]))

    render(ANA, sound, folder / "paused.mp4", resolution="480p")

    change = np.abs(np.diff(_pictures(folder / "paused.mp4")[:, *MOUTH], axis=0)).mean((1, 2))
    begins = round(len(speech) / RATE * 25)
    talking = np.concatenate([change[:begins], change[begins + 25 :]])
    resting = change[begins + 8 : begins + 24]  # the lips close within a third of a second
    assert talking.mean() > 3 * resting.mean()


def test_the_mouth_stays_shut_when_the_sound_is_silent(folder, spoken_pictures):
    silence = _wav(folder / "silence.wav", np.zeros(2 * RATE, np.float32))

    render(ANA, silence, folder / "silence.mp4", resolution="480p")

    silent_pictures = _pictures(folder / "silence.mp4")
    quiet, loud = (np.abs(np.diff(seen[:, *MOUTH], axis=0)).mean() for seen in (silent_pictures, spoken_pictures))
    assert quiet < 1  # grey levels; what is left is the head's own sway
    assert quiet < loud / 4
    assert lip_track(np.zeros(2 * RATE, np.float32), RATE).opening.max() == 0


def test_the_lips_open_with_the_loudness_of_the_speech(speech):
    opening, loudness = lip_track(speech, RATE).opening, np.log(_loudness(speech) + 1e-4)

    assert np.corrcoef(opening[: len(loudness)], loudness)[0, 1] > 0.4
    assert opening.max() > 0.4


def test_the_picture_of_the_mouth_opens_with_the_loudness_of_the_speech(speech, spoken_pictures):
    loudness = np.log(_loudness(speech) + 1e-4)
    away = np.abs(spoken_pictures[:, *MOUTH] - spoken_pictures[0, *MOUTH]).mean((1, 2))

    assert np.corrcoef(away[: len(loudness)], loudness)[0, 1] > 0.3


def test_a_wider_opening_changes_more_of_the_mouth_and_nothing_else(head):
    still, half, wide = (_shown(head, opening=opening).copy() for opening in (0, 0.5, 1))

    assert 0 < np.abs(half - still).sum() < np.abs(wide - still).sum()
    left, top, right, bottom = head.mouth.box
    wide[top:bottom, left:right] = still[top:bottom, left:right]
    assert (wide == still).all()


# ---- eyes and head


def test_a_video_holds_a_blink_that_hides_the_irises(spoken_pictures):
    dark = (spoken_pictures[:, *EYES] < 60).sum((1, 2))
    lashes = dark.min() / dark[0]

    assert lashes < 0.75
    assert np.median(dark) > 0.9 * dark[0]
    assert (dark < 0.8 * dark[0]).sum() <= 8  # a blink is short


@pytest.mark.parametrize("name", ["ana", "kofi", "mei"])
def test_a_shut_eye_shows_neither_iris_nor_white(name):
    picture = Image.open(AVATARS / f"{name}.png").convert("RGB").resize((854, 480), Image.Resampling.LANCZOS)
    face = find_face(picture)
    head = Head(picture, face)
    still, shut = _shown(head).copy(), _shown(head, lids=1).copy()

    for iris in (468, 473):  # the irises' middles
        x, y = face.landmarks[iris].round().astype(int)
        middle = slice(y - 5, y + 4), slice(x - 6, x + 7)
        skin = planes(planar(picture)).luma[y + 30, x].astype(float)
        assert still[middle].min() < 60
        assert shut[middle].min() > max(60, skin * 0.55)
        assert np.ptp(shut[middle]) < np.ptp(still[middle]) / 3


def test_between_blinks_the_picture_is_the_still_itself(head):
    _shown(head, lids=1)

    luma = _shown(head, lids=0)

    picture = Image.open(ANA).convert("RGB").resize((854, 480), Image.Resampling.LANCZOS)
    assert (luma == planes(planar(picture)).luma).all()


def test_every_two_seconds_and_a_half_hold_a_blink():
    for seed in range(20):
        motion = head_motion(63, np.zeros(63, np.float32), seed=seed, face_size=200)
        assert motion.lids.max() == 1


def test_the_head_starts_and_ends_where_the_still_is():
    motion = head_motion(100, np.ones(100, np.float32), seed=1, face_size=200)

    for values, rest in ((motion.shift_x, 0), (motion.shift_y, 0), (motion.turn, 0), (motion.scale, 1)):
        assert values[0] == rest
        assert abs(values[-1] - rest) < abs(values - rest).max() / 4
    assert 0.5 < abs(motion.shift_x).max() < 5


def test_moving_the_head_leaves_the_rest_of_the_picture_alone(head):
    still = _shown(head).copy()

    head.move(shift_x=4, shift_y=-3, turn=0.02, scale=1.004)

    moved = head.canvas.luma.astype(np.float32)
    left, top, right, bottom = head.box
    assert np.abs(moved[*EYES] - still[*EYES]).mean() > 2
    outside = np.ones(still.shape, bool)
    outside[top + 4 : bottom - 4, left + 4 : right - 4] = False
    assert (moved[outside] == still[outside]).all()


def test_the_face_moves_by_as_many_pixels_as_asked(head):
    still = _shown(head).copy()

    head.move(shift_x=3, shift_y=0, turn=0, scale=1)

    moved = head.canvas.luma[*EYES].astype(np.float32)
    rows, columns = EYES
    errors = [np.abs(moved - still[rows, columns.start - by : columns.stop - by]).mean() for by in range(6)]
    assert np.argmin(errors) == 3


# ---- the file


@pytest.mark.parametrize(
    ("samples", "frames"), [(RATE, 25), (RATE + 1, 26), (RATE - 1, 25), (960, 1), (961, 2), (1, 1), (48_000, 50)]
)
def test_frames_are_the_seconds_times_25_rounded_up(samples, frames):
    assert frame_count(samples / RATE) == frames
    assert len(lip_track(np.zeros(samples, np.float32), RATE)) == frames


def test_the_video_is_as_long_as_the_sound(spoken, speech):
    target, rendered = spoken

    seen = probe(target)
    seconds = len(speech) / RATE
    assert seen.frames == rendered.frames == int(np.ceil(seconds * 25))
    assert rendered.seconds == rendered.frames / 25 == pytest.approx(seen.video_seconds)
    assert seen.audio_seconds == pytest.approx(seconds, abs=0.03)
    assert not seen.is_truncated


def test_a_sound_of_whole_frames_gets_no_frame_too_many(folder, speech):
    sound = _wav(folder / "exact.wav", speech[:RATE])

    rendered = render(ANA, sound, folder / "exact.mp4", resolution="480p")

    assert rendered.frames == probe(folder / "exact.mp4").frames == 25


@pytest.mark.parametrize(("resolution", "size"), [("480p", (854, 480)), ("720p", (1280, 720))])
def test_the_file_is_what_players_expect(folder, speech, resolution, size):
    sound = _wav(folder / "half.wav", speech[: RATE // 2])
    target = folder / f"{resolution}.mp4"

    rendered = render(ANA, sound, target, resolution=resolution)

    seen = probe(target)
    assert (rendered.width, rendered.height) == (seen.width, seen.height) == size
    assert (seen.video_codec, seen.profile, seen.pix_fmt, seen.audio_codec) == ("h264", "High", "yuv420p", "aac")
    assert (seen.fps, seen.sample_rate, seen.channels) == (25, 48_000, 2)
    assert (seen.colour_range, seen.colour_matrix, seen.colour_primaries, seen.colour_transfer) == (1, 1, 1, 1)
    assert seen.is_faststart
    assert seen.comment == COMMENT


def test_colours_come_out_as_they_went_in(spoken):
    with av.open(str(spoken[0])) as container:
        frame = next(container.decode(video=0))
    # asked of libswscale, which knows nothing of our own conversion
    seen = frame.to_ndarray(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709").astype(np.float32)

    still = np.asarray(Image.open(ANA).convert("RGB").resize((854, 480), Image.Resampling.LANCZOS), np.float32)
    assert np.abs(seen - still)[:440].mean((0, 1)).max() < 2.5
    assert abs((seen - still)[:440].mean((0, 1))).max() < 1.5


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 90)])
def test_planes_are_bt709_in_tv_range(colour):
    made = planes(planar(Image.new("RGB", (4, 2), colour)))

    red, green, blue = (value / 255 for value in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # ITU-R BT.709-6, 3.2 and 4.6
    expected = [16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748]
    assert made.data.tolist() == [round(expected[0])] * 8 + [round(value) for value in expected[1:]] * 2


# ---- the mark


def test_the_badge_is_on_every_frame_and_does_not_grow_darker(spoken_pictures):
    image, (left, top) = badge(854, 480)
    region = slice(top, top + image.height), slice(left, left + image.width)

    still = planes(planar(Image.open(ANA).convert("RGB").resize((854, 480), Image.Resampling.LANCZOS))).luma[*region]
    marked = spoken_pictures[:, *region]
    assert (np.abs(marked - still.astype(np.float32)).mean((1, 2)) > 30).all()
    assert np.ptp(marked.mean((1, 2))) < 4
    letters = np.asarray(image.getchannel("A"))[image.height // 4 : -image.height // 4] == 255
    bright = marked[:, image.height // 4 : -image.height // 4][:, letters]
    assert (bright.mean(1) > 120).all()


def test_the_mp4_says_draft(spoken):
    assert "DRAFT" in probe(spoken[0]).comment


@pytest.mark.parametrize("size", [(480, 854), (480, 480), (854, 480), (720, 1280), (1280, 720)])
def test_the_badge_fits_the_picture_and_can_be_taken_off(size):
    canvas = planes(planar(Image.effect_noise(size, 60).convert("RGB")))
    clean = canvas.data.copy()

    with Stamp(canvas).on():
        stamped = canvas.data.copy()

    changed = np.flatnonzero((stamped != clean)[: size[0] * size[1]].reshape(size[1], size[0]).any(0))
    assert changed[-1] < size[0] - 2
    assert len(changed) > 150
    assert (canvas.data == clean).all()


# ---- same in, same out


def test_the_same_portrait_and_sound_give_the_same_bytes(folder, spoken, speech_wav):
    again = folder / "again.mp4"

    render(ANA, speech_wav, again, resolution="480p")

    assert again.read_bytes() == spoken[0].read_bytes()


def test_another_sound_gives_another_video(folder, spoken, speech):
    other = _wav(folder / "other.wav", speech[::-1])

    render(ANA, other, folder / "other.mp4", resolution="480p")

    assert (folder / "other.mp4").read_bytes() != spoken[0].read_bytes()
    assert not np.array_equal(_pictures(folder / "other.mp4"), _pictures(spoken[0]))


def test_every_frame_is_told_and_only_the_video_is_left(tmp_path, speech):
    told = []
    sound = _wav(tmp_path / "sound.wav", speech[:RATE])

    render(ANA, sound, tmp_path / "o.mp4", resolution="480p", on_frame=lambda *progress: told.append(progress))

    assert told == [(i, 25) for i in range(1, 26)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.mp4", "sound.wav"]


def test_a_render_that_is_stopped_leaves_nothing_and_the_next_is_clean(tmp_path, speech_wav, spoken):
    def stop(done, total):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(ANA, speech_wav, tmp_path / "o.mp4", resolution="480p", on_frame=stop)
    assert list(tmp_path.iterdir()) == []
    assert _children(os.getpid(), "ffmpeg") == []

    render(ANA, speech_wav, tmp_path / "o.mp4", resolution="480p")
    assert (tmp_path / "o.mp4").read_bytes() == spoken[0].read_bytes()


def test_an_encoder_that_fails_is_named_with_its_own_words(tmp_path, speech_wav):
    with pytest.raises(RuntimeError, match=r"(?s)ffmpeg could not encode the draft: .*No such file or directory"):
        render(ANA, speech_wav, tmp_path / "missing" / "o.mp4", resolution="480p")


def test_a_listener_that_is_gone_stops_the_render(tmp_path, speech_wav):
    def gone(done, total):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        render(ANA, speech_wav, tmp_path / "o.mp4", resolution="480p", on_frame=gone)
    assert list(tmp_path.iterdir()) == []


# ---- what cannot be rendered


def test_a_picture_without_a_face_is_refused(tmp_path, speech_wav):
    Image.new("RGB", (640, 480), (200, 200, 200)).save(tmp_path / "blank.png")

    with pytest.raises(NoFace, match="no face was found in the picture"):
        render(tmp_path / "blank.png", speech_wav, tmp_path / "o.mp4", resolution="480p")
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"x" * 99, b"GIF89a", b"BM" + b"\0" * 60]
)
def test_what_is_no_picture_is_refused(tmp_path, speech_wav, content):
    (tmp_path / "junk.png").write_bytes(content)

    with pytest.raises(NotAPicture, match="the picture could not be read"):
        render(tmp_path / "junk.png", speech_wav, tmp_path / "o.mp4", resolution="480p")


def test_half_a_picture_is_refused(tmp_path, speech_wav):
    (tmp_path / "cut.png").write_bytes(ANA.read_bytes()[:40_000])

    with pytest.raises(NotAPicture):
        render(tmp_path / "cut.png", speech_wav, tmp_path / "o.mp4", resolution="480p")


@pytest.mark.parametrize("content", [b"", b"not a sound", b"RIFF\0\0\0\0WAVEfmt "])
def test_what_is_no_sound_is_refused(tmp_path, content):
    (tmp_path / "junk.wav").write_bytes(content)

    with pytest.raises(NotSound, match="the audio could not be read"):
        render(ANA, tmp_path / "junk.wav", tmp_path / "o.mp4", resolution="480p")
    assert [path.name for path in tmp_path.iterdir()] == ["junk.wav"]


def test_a_sound_file_without_samples_is_refused(tmp_path):
    sound = _wav(tmp_path / "empty.wav", np.zeros(0, np.float32))

    with pytest.raises(NotSound):
        render(ANA, sound, tmp_path / "o.mp4", resolution="480p")


# ---- what else can be rendered


@pytest.mark.parametrize("suffix", ["mp3", "m4a"])
def test_compressed_sound_works(folder, speech_wav, speech, suffix):
    sound = folder / f"speech.{suffix}"
    ffmpeg.run(["-i", ffmpeg.target(speech_wav), ffmpeg.target(sound)])

    rendered = render(ANA, sound, folder / f"{suffix}.mp4", resolution="480p")

    seconds = len(speech) / RATE
    assert rendered.seconds == pytest.approx(seconds, abs=0.1)  # encoders pad to whole frames of sound
    assert probe(folder / f"{suffix}.mp4").audio_seconds == pytest.approx(seconds, abs=0.1)
    opening = lip_track(speech, RATE).opening
    heard = _pictures(folder / f"{suffix}.mp4")[: len(opening)]
    away = np.abs(heard[:, *MOUTH] - heard[0, *MOUTH]).mean((1, 2))
    assert np.corrcoef(away, opening[: len(away)])[0, 1] > 0.5


def _tall():
    return _ana().crop((380, 0, 900, 720)), (480, 664)


def _square():
    return _ana().crop((280, 0, 1000, 720)), (480, 480)


def _transparent():
    picture = _ana().convert("RGBA")
    picture.putalpha(Image.new("L", picture.size, 255))
    return picture, (854, 480)


def _odd():
    return _ana().resize((1001, 563)), (854, 480)


def _at_the_edge():
    return _ana().crop((460, 90, 1180, 500)), (842, 480)


def _ana():
    return Image.open(ANA).convert("RGB")


@pytest.mark.parametrize("shape", [_tall, _square, _transparent, _odd, _at_the_edge])
def test_pictures_of_any_shape_speak(tmp_path, speech, shape):
    picture, size = shape()
    picture.save(tmp_path / "portrait.png")

    seen = _render_quickly(tmp_path, tmp_path / "portrait.png", speech)

    assert (seen.width, seen.height) == size
    assert min(size) == 480
    assert size[0] % 2 == size[1] % 2 == 0


@pytest.mark.parametrize("corner", [(500, 150), (400, 60), (560, 0)])
def test_a_face_cut_by_the_pictures_edge_can_be_moved(corner):
    left, top = corner
    picture = _ana().crop((left, top, left + 420, top + 480))
    face = find_face(picture)
    assert face is not None
    head = Head(picture, face)

    for opening in (0, 0.4, 1):
        head.show(opening=opening, spread=-1, voice=1, lids=opening)
        head.move(shift_x=4, shift_y=-4, turn=0.03, scale=1.01)

    left, top, right, bottom = head.box
    assert (left, top) == (0, 0) or right == 420 or bottom == 480
    assert np.abs(head.canvas.luma.astype(int) - planes(planar(picture)).luma).mean() > 0.5


def test_a_photo_that_lies_on_its_side_is_turned_by_its_exif(tmp_path, speech):
    lying = _ana().crop((280, 0, 1000, 720)).resize((600, 480)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    lying.save(tmp_path / "portrait.jpg", quality=92, exif=exif)

    seen = _render_quickly(tmp_path, tmp_path / "portrait.jpg", speech)

    assert (seen.width, seen.height) == (600, 480)
    upright = np.asarray(_ana().crop((280, 0, 1000, 720)).resize((600, 480)).convert("L"), np.float32)
    assert np.abs(_pictures(tmp_path / "o.mp4")[0] - upright)[:440].mean() < 12


def _render_quickly(folder, portrait, speech):
    sound = _wav(folder / "sound.wav", speech[: RATE // 2])
    render(portrait, sound, folder / "o.mp4", resolution="480p")
    return probe(folder / "o.mp4")


# ---- tools


def test_a_sample_between_pixels_is_their_mean_and_beyond_the_edge_the_edge():
    picture = np.arange(12, dtype=np.float32).reshape(1, 3, 4).repeat(3, axis=0)

    got = sample(picture, np.array([1.0, 1.5, -9.0, 99.0]), np.array([1.0, 0.5, 0.0, 2.0]))

    assert got.shape == (3, 4)
    assert got[0] == pytest.approx([5, 3.5, 0, 11], abs=0.01)


def test_face_coordinates_and_back_are_the_same_place():
    frame = Frame(np.array([10.0, 20.0]), np.array([0.8, 0.6]), np.array([-0.6, 0.8]))
    points = np.array([[3.0, 4.0], [50.0, -7.0]])

    face = frame.of(points)

    assert np.stack(frame.to_pixels(face[:, 0], face[:, 1]), axis=-1) == pytest.approx(points)


# ---- the worker


class Worker:
    """The worker as the studio starts it: JSON lines over pipes, a session of its own."""

    def __init__(self):
        command = [sys.executable, "-m", "aurora_pipeline.studio.head.worker"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=REPOSITORY,
            start_new_session=True, text=True,
        )  # fmt: skip

    def order(self, **job):
        self.process.stdin.write(json.dumps({name: str(value) for name, value in job.items()}) + "\n")
        self.process.stdin.flush()

    def answers(self):
        """What it says up to the outcome of one order."""
        said = []
        while not said or "frame" in said[-1]:
            said.append(json.loads(self.process.stdout.readline()))
        return said

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.end()


def _children(parent, name):
    """Ids of the living processes called ``name`` whose parent is ``parent``."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue  # it has just ended
        called, (state, its_parent) = text[text.index("(") + 1 : text.rindex(")")], text.rpartition(")")[2].split()[:2]
        if int(its_parent) == parent and name in called and state != "Z":
            found.append(int(status.parent.name))
    return found


def _is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_worker_serves_order_after_order_and_says_nothing_else(worker, tmp_path, speech_wav, spoken):
    for name in ("first.mp4", "second.mp4"):
        worker.order(portrait=ANA, audio=speech_wav, target=tmp_path / name, resolution="480p")

        *frames, outcome = worker.answers()

        assert frames == [{"frame": 25, "of": 61}, {"frame": 50, "of": 61}]
        assert outcome == {"done": {"width": 854, "height": 480, "frames": 61, "seconds": 2.44}}
        assert (tmp_path / name).read_bytes() == spoken[0].read_bytes()
    worker.process.stdin.close()
    assert worker.process.stdout.read() == ""
    assert worker.process.wait(timeout=60) == 0


def test_a_worker_names_what_is_wrong_and_goes_on(worker, tmp_path, speech_wav, speech):
    Image.new("RGB", (640, 480)).save(tmp_path / "blank.png")
    (tmp_path / "junk").write_bytes(b"junk")
    good = {"portrait": ANA, "audio": speech_wav, "target": tmp_path / "o.mp4", "resolution": "480p"}
    said = []
    for change in ({"portrait": tmp_path / "blank.png"}, {"portrait": tmp_path / "junk"}, {"audio": tmp_path / "junk"},
                   {"resolution": "wide"}):  # fmt: skip
        worker.order(**good | change)
        (outcome,) = worker.answers()
        said.append(outcome["error"])

    assert [(error["type"], error["message"]) for error in said] == [
        ("face_detection_error", "no face was found in the picture"),
        ("image_load_error", "the picture could not be read (UnidentifiedImageError)"),
        ("unsupported_audio_format", "the audio could not be read"),
        ("internal_server_error", "ValueError"),
    ]
    assert not (tmp_path / "o.mp4").exists()
    worker.process.stdin.write("this is no order\n")
    worker.process.stdin.flush()
    assert worker.answers() == [{"error": {"type": "internal_server_error", "message": "JSONDecodeError"}}]
    worker.order(**good)
    assert "done" in worker.answers()[-1]


@pytest.fixture
def long_sound(tmp_path, speech):
    """A minute of speech: long enough that whoever is interrupted is still rendering."""
    (tmp_path / "in").mkdir()
    return _wav(tmp_path / "in" / "long.wav", np.tile(speech, 25))


def _close_input(worker):
    worker.process.stdin.close()


def _terminate(worker):
    worker.process.terminate()


@pytest.mark.parametrize("interrupt", [_close_input, _terminate])
def test_a_worker_interrupted_in_mid_render_ends_with_its_ffmpeg_and_leaves_no_half_file(
    worker, tmp_path, long_sound, interrupt
):
    (tmp_path / "out").mkdir()
    worker.order(portrait=ANA, audio=long_sound, target=tmp_path / "out" / "o.mp4", resolution="480p")
    first = json.loads(worker.process.stdout.readline())
    encoders = _children(worker.process.pid, "ffmpeg")

    interrupt(worker)

    assert worker.process.wait(timeout=60) == 0
    assert first["frame"] == 25 < first["of"]
    assert len(encoders) == 1
    assert not _is_running(encoders[0])
    assert list((tmp_path / "out").iterdir()) == []
    rest = [json.loads(line) for line in worker.process.stdout]
    assert all("frame" in said for said in rest)  # neither done nor an error: nobody is there to be told


def test_ending_the_workers_group_ends_its_ffmpeg_too(worker, tmp_path, long_sound):
    worker.order(portrait=ANA, audio=long_sound, target=tmp_path / "o.mp4", resolution="480p")
    worker.process.stdout.readline()
    (encoder,) = _children(worker.process.pid, "ffmpeg")

    assert os.getpgid(encoder) == worker.process.pid
