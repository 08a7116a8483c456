"""A WAV of the media store -> how loud it is and whether it is clipped. Counted from the samples."""

import math
import wave
from dataclasses import dataclass

from ..gear.media_store import MediaStore
from ..settings import Settings
from ..tts_audio import Speech


@dataclass(frozen=True)
class Sound:
    """``rms`` over the whole clip (1 is full scale); ``clipped_share`` of samples that are at full scale."""

    rms: float
    clipped_share: float

    @property
    def rms_dbfs(self) -> float:
        return 20 * math.log10(max(self.rms, 1e-9))


def listen(settings: Settings, speech: Speech) -> Sound:
    """What is heard in a speech's own file."""
    import numpy as np

    with wave.open(str(MediaStore(settings.media).require(speech.sha256)), "rb") as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype("float64") / 32768
    if not samples.size:
        return Sound(0.0, 0.0)
    return Sound(float(np.sqrt(np.mean(samples**2))), float(np.mean(np.abs(samples) >= 32767 / 32768)))
