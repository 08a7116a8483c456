"""One voice, heard: a WAV file, played where there is somebody to hear it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from ..errors import BadSetting
from ..gear import strict_csv
from ..gear.voices import Voice, Voices, engine

# A sentence or two in the languages most asked for; any other voice counts, as every engine can in its own language.
SENTENCES = {
    "en": "Hello. This is how I sound: every word clear, and the price is nine dollars fifty.",
    "de": "Hallo. So klinge ich: jedes Wort ist deutlich, und der Preis beträgt neun Euro fünfzig.",
    "es": "Hola. Así sueno yo: cada palabra clara, y el precio es nueve euros con cincuenta.",
    "fr": "Bonjour. Voici ma voix : chaque mot est clair, et le prix est de neuf euros cinquante.",
    "it": "Ciao. Questa è la mia voce: ogni parola è chiara, e il prezzo è nove euro e cinquanta.",
    "pt": "Olá. É assim que eu falo: cada palavra clara, e o preço é nove reais e cinquenta.",
    "nl": "Hallo. Zo klink ik: elk woord is duidelijk, en de prijs is negen euro vijftig.",
    "pl": "Dzień dobry. Tak brzmię: każde słowo jest wyraźne, a cena to dziewięć złotych.",
    "ru": "Здравствуйте. Так звучит мой голос: каждое слово слышно ясно.",
    "uk": "Вітаю. Так звучить мій голос: кожне слово чути ясно.",
    "tr": "Merhaba. Sesim böyle: her kelime açık ve anlaşılır.",
    "ar": "مرحبا. هكذا يبدو صوتي، وكل كلمة واضحة.",
    "hi": "नमस्ते। मेरी आवाज़ ऐसी है, और हर शब्द साफ़ है।",
    "ja": "こんにちは。わたしの声はこのように聞こえます。",
    "ko": "안녕하세요. 제 목소리는 이렇게 들립니다.",
    "zh": "你好。我的声音就是这样，每个字都很清楚。",
}
COUNTING = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."
PLAYERS = (("afplay",), ("paplay",), ("aplay", "-q"))
_POWERSHELL = "(New-Object Media.SoundPlayer $env:AURORA_SAMPLE).PlaySync()"
PLAY_SECONDS = 120.0


def write_sample(known: Voices, name: str, *, text: str | None, file: Path | None) -> None:
    """Speak ``text`` into ``file``, say on stdout where it is, and play it where stdout is a terminal.

    Raises `BadSetting` for what cannot be done, above all for a paid voice, whose sample costs money, and
    `SpeechFailed`.
    """
    from ..tts_audio.wav import write_wav

    voice = _voice(known, name)
    said = text.strip() if text is not None else SENTENCES.get(voice.language.split("-")[0], COUNTING)
    target = _target(voice, file)
    _assert_can_be_said(said, voice)
    spoken = engine(voice.engine).speak(said, voice)
    write_wav(target, spoken.samples, spoken.sample_rate)
    click.echo(str(target))
    seconds = len(spoken.samples) / spoken.sample_rate
    click.echo(f"{seconds:.1f} s by {voice.name} ({voice.description}; {voice.quality}). Free.", err=True)
    if sys.stdout.isatty():
        _play(target)


def _voice(known: Voices, name: str) -> Voice:
    voice = known.named(name)
    if voice is None:
        near = strict_csv.nearest(name, [each.name for each in known.rows if not each.is_paid])
        raise BadSetting(f"There is no voice '{name[:60]}'; {near} `aurora voices` lists them. Nothing was spent.")
    if voice.is_paid:
        raise BadSetting(
            f"The voice '{voice.name}' is paid ({voice.speech_model} on fal): a sample of it costs money and is bought "
            "by running a campaign with one short line; `aurora quote` says what that costs first. Nothing was spent."
        )
    return voice


def _assert_can_be_said(text: str, voice: Voice) -> None:
    from ..script_table.letters import assert_readable

    if not any(character.isalnum() for character in text):
        raise BadSetting("The text of the sample has no word; write one after --text. Nothing was spent.")
    try:
        assert_readable(text, voice, {})
    except ValueError as error:
        raise BadSetting(f"The text of the sample {error}. Nothing was spent.") from error


def _target(voice: Voice, file: Path | None) -> Path:
    target = file if file is not None else Path(f"voice-{voice.name}.wav")
    if target.suffix.lower() != ".wav":
        raise BadSetting(f"The sample is a WAV file; end --to {target.name} in .wav. Nothing was spent.")
    if not target.parent.is_dir():
        raise BadSetting(f"There is no folder {target.parent} to put the sample in; make it first. Nothing was spent.")
    return target


def _play(file: Path) -> None:
    """With the player the system has, if it has one. A player that fails has still left the file."""
    command, variables = _player(file)
    if not command:
        click.echo("There is no player here to play it (afplay, paplay, aplay).", err=True)
        return
    try:
        subprocess.run(command, env=variables, timeout=PLAY_SECONDS, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        click.echo(f"{command[0]} could not play it; open the file with another player.", err=True)


def _player(file: Path) -> tuple[list[str], dict[str, str] | None]:
    """The command that plays ``file`` and, for PowerShell, the variable its name travels in (never its script)."""
    for player in PLAYERS:
        if found := shutil.which(player[0]):
            return [found, *player[1:], str(file)], None
    if sys.platform == "win32" and (found := shutil.which("powershell")):
        return [found, "-NoProfile", "-Command", _POWERSHELL], {**os.environ, "AURORA_SAMPLE": str(file.absolute())}
    return [], None
