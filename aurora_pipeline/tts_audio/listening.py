"""What is asked of a text before it is spoken and of the sound afterwards: listen before you pay.

Engines fail quietly: hibari answers a text in another alphabet with a quarter second of silence (reference/studio.md,
1). A clip that would waste the avatar's seconds is refused here, where nothing has been spent.
"""

from __future__ import annotations

import unicodedata

from ..errors import SpeechFailed
from ..gear.voices import Spoken, Voice

QUIETEST_PEAK = 0.02  # of full scale; measured: speech of either engine peaks at 0.2 to 0.94
QUIETEST_RMS = 0.003  # about -50 dBFS over the whole clip; measured: 0.03 (hibari) to 0.16 (nanotts)
# Read speech is 12 to 18 characters a second; a digit can take most of a second ("$3.50": 1.8 s for five characters).
SHORTEST_SECONDS_A_CHARACTER = 0.02
LONGEST_SECONDS_A_CHARACTER = 1.0
LONGEST_PAUSES_SECONDS = 3.0


def assert_readable(text: str, voice: Voice) -> None:
    """Raise `SpeechFailed` when ``text`` has letters the voice would skip: all of ours read the Latin alphabet."""
    for character in unicodedata.normalize("NFKC", text):
        if character.isalpha() and not unicodedata.name(character, "").startswith(("LATIN", "MODIFIER LETTER")):
            raise SpeechFailed(
                f"The voice '{voice.name}' ({voice.language}) cannot read '{character}'; write it in Latin letters as "
                "it is spoken, or take it out. Nothing was spent."
            )


def assert_audible(spoken: Spoken, text: str) -> None:
    """Raise `SpeechFailed` when the sound is silent, not a number, or absurdly short or long for its text."""
    import numpy as np

    samples = spoken.samples
    if (
        not len(samples)
        or not np.isfinite(samples).all()
        or np.abs(samples).max() < QUIETEST_PEAK
        or _rms(spoken) < QUIETEST_RMS
    ):
        raise SpeechFailed(
            "No speech can be heard in what was made of this text; write it in the voice's own language. "
            "Nothing was spent."
        )
    seconds = len(samples) / spoken.sample_rate
    characters = sum(character.isalnum() for character in text)
    shortest = characters * SHORTEST_SECONDS_A_CHARACTER
    longest = LONGEST_PAUSES_SECONDS + characters * LONGEST_SECONDS_A_CHARACTER
    if not shortest <= seconds <= longest:
        raise SpeechFailed(
            f"The speech is {seconds:.1f} s long, which cannot be right for {characters} letters and digits "
            f"(expected {shortest:.1f} to {longest:.1f} s); write numbers and symbols as words. Nothing was spent."
        )


def _rms(spoken: Spoken) -> float:
    import numpy as np

    return float(np.sqrt(np.mean(np.square(spoken.samples, dtype=np.float64))))
