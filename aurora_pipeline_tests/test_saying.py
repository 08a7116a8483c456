"""What an engine is told, and how times of the said words come back onto the written ones."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from aurora_pipeline.gear.voices import TimedWord
from aurora_pipeline.script_table.records import Pause, Pronunciation, Script
from aurora_pipeline.tts_audio.saying import saying_of

PLAIN = Script("spring", "a", "", "ana", "", "heart", "en-US", "480p", None, Decimal(1), Decimal(2), 2)
CREATIFY = Pronunciation("Creatify", "Kree ay tih fye")


def said(text, *lexicon, pauses=()):
    return saying_of(replace(PLAIN, text=text, pauses=pauses), lexicon)


def test_a_line_without_lexicon_and_pauses_is_said_as_written():
    saying = said("Hello  there,\nyou.")

    assert saying.said == "Hello there, you."
    assert [part.pause_seconds for part in saying.parts] == [0.0]


def test_a_respelled_word_keeps_its_punctuation_and_its_possessive():
    assert said("“Creatify!” is CREATIFY's name", CREATIFY).said == "“Kree ay tih fye!” is Kree ay tih fye's name"


def test_a_word_inside_another_is_not_respelled():
    assert said("Creatifying is not creatify", CREATIFY).said == "Creatifying is not Kree ay tih fye"


def test_the_longest_phrase_wins():
    lexicon = (Pronunciation("New", "Noo"), Pronunciation("New York", "Noo Yawk"))

    assert said("New York, new shoes", *lexicon).said == "Noo Yawk, Noo shoes"


def test_sounds_hang_on_the_written_word():
    saying = said("Buy Aurora now", Pronunciation("aurora", "əˈɹɔːɹə", is_ipa=True))

    assert saying.parts[0].text == "Buy Aurora now"
    assert saying.parts[0].ipa == {1: "əˈɹɔːɹə"}
    assert saying.said == "Buy Aurora/əˈɹɔːɹə/ now"


def test_a_pause_cuts_the_line_where_it_is_marked():
    saying = said("One two three", pauses=(Pause(1, 0.5), Pause(2, 1.0)))

    assert [(part.text, part.pause_seconds) for part in saying.parts] == [("One", 0.5), ("two", 1.0), ("three", 0.0)]
    assert saying.said == "One [pause 0.5s] two [pause 1s] three"


def test_a_pause_inside_a_pronounced_phrase_comes_after_it():
    saying = said("New York now", Pronunciation("New York", "Nyork"), pauses=(Pause(1, 0.5),))

    assert [part.text for part in saying.parts] == ["Nyork", "now"]


def test_times_of_said_words_come_back_onto_the_written_ones():
    (part,) = said("Meet Creatify now", CREATIFY).parts
    heard = [TimedWord(word, index / 10, (index + 1) / 10) for index, word in enumerate(part.text.split())]

    assert part.written_times(heard) == [
        TimedWord("Meet", 0.0, 0.1),
        TimedWord("Creatify", 0.1, 0.5),
        TimedWord("now", 0.5, 0.6),
    ]


def test_a_phrase_said_as_one_word_is_shared_by_its_words():
    (part,) = said("New York now", Pronunciation("New York", "Nyork")).parts
    new, york, now = part.written_times([TimedWord("Nyork", 0.0, 0.9), TimedWord("now", 1.0, 1.2)])

    assert (new.start_seconds, york.end_seconds) == (0.0, 0.9)
    assert new.end_seconds == york.start_seconds
    assert now.start_seconds == 1.0


words = st.lists(
    st.sampled_from(["New", "York,", "creatify", "and", "Creatify's", "(now)", "héllo", "50%", "—"]), min_size=1
)
entries = st.lists(
    st.sampled_from([CREATIFY, Pronunciation("new york", "Nyork"), Pronunciation("héllo", "elo", is_ipa=True)]),
    unique=True,
)


@given(words, entries, st.lists(st.tuples(st.integers(1, 8), st.floats(0.1, 2)), max_size=3))
def test_every_written_word_is_said_once_in_order_and_has_a_time(text, lexicon, pauses):
    marks = tuple(Pause(min(after, len(text)), seconds) for after, seconds in pauses)
    saying = said(" ".join(text), *lexicon, pauses=marks)

    assert [word for part in saying.parts for piece in part.pieces for word in piece.written] == text
    for part in saying.parts:
        heard = [TimedWord(word, float(n), n + 1.0) for n, word in enumerate(part.text.split())]
        times = part.written_times(heard)
        assert len(times) == sum(len(piece.written) for piece in part.pieces)
        assert all(time.start_seconds <= time.end_seconds for time in times)
    assert sum(part.pause_seconds for part in saying.parts) == sum(mark.seconds for mark in marks) or marks
