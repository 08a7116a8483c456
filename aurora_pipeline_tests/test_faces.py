"""gear/faces.py: faces are found where they are, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aurora_pipeline.gear.faces import DETECTION, find_face, find_faces
from aurora_pipeline.studio.draw_portraits import PRESENTERS, draw

AVATARS = Path(__file__).resolve().parent.parent / "data" / "avatars"
NAMES = [presenter.name for presenter in PRESENTERS]
MOUTH_CORNERS, LIP_MIDDLE, CHIN, NOSE = (61, 291), 13, 152, 1  # MediaPipe's numbers


@pytest.fixture(scope="module", params=NAMES)
def portrait(request):
    return Image.open(AVATARS / f"{request.param}.png").convert("RGB")


@pytest.fixture(scope="module")
def ana():
    return Image.open(AVATARS / "ana.png").convert("RGB")


def test_a_sample_portrait_holds_exactly_one_face(portrait):
    faces = find_faces(portrait)

    assert len(faces) == 1
    assert faces[0].score >= DETECTION == 0.6
    assert faces[0].presence >= 0.5


def test_the_landmarks_lie_inside_the_picture(portrait):
    landmarks = find_face(portrait).landmarks

    assert landmarks.shape == (478, 2)
    assert (landmarks >= 0).all()
    assert (landmarks < portrait.size).all()


def test_the_mouth_corners_lie_left_and_right_of_the_lip_and_the_chin_below(portrait):
    landmarks = find_face(portrait).landmarks

    (left, right), lip = landmarks[list(MOUTH_CORNERS)], landmarks[LIP_MIDDLE]
    assert left[0] < lip[0] < right[0]
    assert landmarks[NOSE][1] < lip[1] < landmarks[CHIN][1]
    # drawn at (0 +- 46, 112) of units a 720th of the height, 1.14 times: see draw_portraits
    unit = portrait.height / 720 * 1.14
    assert (left + right) / 2 == pytest.approx((640, portrait.height * 0.47 + 112 * unit), abs=8)
    assert right[0] - left[0] == pytest.approx(92 * unit, rel=0.15)


def test_landmarks_and_box_are_in_pixels_of_the_given_picture(ana):
    whole, half = find_face(ana), find_face(ana.resize((640, 360), Image.Resampling.LANCZOS))

    assert np.abs(half.landmarks * 2 - whole.landmarks).max() < 8
    assert np.abs(half.landmarks * 2 - whole.landmarks).mean() < 2
    assert np.array(half.box) * 2 == pytest.approx(np.array(whole.box), abs=12)


def test_the_centre_is_the_middle_of_the_box_and_lies_on_the_face(ana):
    face = find_face(ana)

    x, y, width, height = face.box
    assert face.centre == (x + width / 2, y + height / 2)
    assert np.abs(face.landmarks[NOSE] - face.centre).max() < width / 4


def test_two_portraits_side_by_side_are_two_faces(ana):
    both = Image.new("RGB", (1440, 720))
    both.paste(ana.crop((280, 0, 1000, 720)), (0, 0))
    both.paste(Image.open(AVATARS / "kofi.png").convert("RGB").crop((280, 0, 1000, 720)), (720, 0))

    faces = find_faces(both)

    assert sorted(int(face.centre[0] // 720) for face in faces) == [0, 1]


def test_the_largest_face_comes_first(ana):
    both = Image.new("RGB", (1440, 720), (220, 225, 235))
    both.paste(ana.crop((280, 0, 1000, 720)).resize((480, 480)), (60, 120))
    both.paste(ana.crop((280, 0, 1000, 720)), (720, 0))

    faces = find_faces(both)

    assert [int(face.centre[0] // 720) for face in faces] == [1, 0]


@pytest.mark.parametrize("degrees", [-15, 15])
def test_a_tilted_face_is_found_and_its_landmarks_are_tilted_too(ana, degrees):
    face = find_face(ana.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(220, 225, 235)))

    across = face.landmarks[MOUTH_CORNERS[1]] - face.landmarks[MOUTH_CORNERS[0]]
    assert np.degrees(np.arctan2(-across[1], across[0])) == pytest.approx(degrees, abs=4)


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK"])
def test_any_kind_of_picture_can_be_searched(ana, mode):
    assert len(find_faces(ana.convert(mode))) == 1


def test_a_small_face_in_a_large_picture_is_found(ana):
    large = Image.new("RGB", (1600, 900), (222, 226, 234))
    large.paste(ana.crop((340, 0, 940, 720)).resize((150, 180), Image.Resampling.LANCZOS), (725, 240))

    face = find_face(large)

    assert face is not None
    assert face.centre == pytest.approx((800, 330), abs=40)


def _flat():
    return Image.new("RGB", (640, 360), (180, 150, 130))


def _noise():
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (360, 640, 3), dtype=np.uint8))


def _gradient():
    return Image.linear_gradient("L").resize((640, 360)).convert("RGB")


def _speck():
    return Image.new("RGB", (1, 1))


@pytest.mark.parametrize("picture", [_flat, _noise, _gradient, _speck])
def test_no_face_is_seen_where_there_is_none(picture):
    assert find_faces(picture()) == ()
    assert find_face(picture()) is None


@pytest.mark.parametrize("presenter", PRESENTERS, ids=NAMES)
def test_the_committed_portraits_are_what_the_program_draws(presenter):
    committed = Image.open(AVATARS / f"{presenter.name}.png").convert("RGB")

    drawn = draw(presenter)

    assert drawn.size == committed.size
    # Pillow's versions differ a little in curves and blurs
    assert np.abs(np.asarray(drawn, np.int16) - np.asarray(committed, np.int16)).mean() < 2
