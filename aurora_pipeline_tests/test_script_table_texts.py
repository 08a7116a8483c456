"""Templates, their audience and pause marks: what becomes of a row's text, and what is told of one that is wrong."""

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from aurora_pipeline.errors import BadInput
from aurora_pipeline.script_table.filling import Cut
from aurora_pipeline.script_table.pauses import joined, marked
from aurora_pipeline.script_table.records import Pause
from aurora_pipeline.script_table.templates import template
from aurora_pipeline_tests.campaign_bench import WITH_AUDIENCE, YAML, campaign_bench

PEOPLE = "audience_id,first_name,city\nann,Ann,Paris\nbob,Bob,Łódź\n"
GREETING = "clip_id,text\nhi,Hello {{ first_name }} of {{city}}.\n"
FAL_KEY = "01234567-89ab-cdef-0123-456789abcdef:0123456789abcdef0123456789abcdef"

quick = effort(max_examples=300, deadline=None)


@pytest.fixture
def bench(tmp_path):
    return campaign_bench(tmp_path)


# ---------------------------------------------------------------- own columns


def test_a_text_is_filled_from_its_rows_own_columns(bench):
    campaign = bench.read("clip_id,text,Product Name,größe\na,Buy {{ product_name }} in {{Größe}}.,tea,XL\n")

    assert [script.text for script in campaign.scripts] == ["Buy tea in XL."]


def test_names_are_found_whatever_their_case_and_unicode_form(bench):
    campaign = bench.read("clip_id,text,Cafe\u0301\na,To {{ CAF\u00c9 }}.,Central\n")

    assert campaign.scripts[0].text == "To Central."


def test_a_column_that_only_one_text_uses_may_be_empty_in_other_rows(bench):
    campaign = bench.read("clip_id,text,city\na,To {{ city }}.,Paris\nb,Home.,\n")

    assert [script.text for script in campaign.scripts] == ["To Paris.", "Home."]


@pytest.mark.parametrize("text", ["a {single} brace", "100 % {", "a } {", "[b] and [paused] and a[0]", "{ {x} }"])
def test_single_braces_and_other_brackets_stay_text(bench, text):
    assert bench.read(f"clip_id,text\na,{text}\n").scripts[0].text == text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "clip_id,text,name\na,Hi {{ nmae }} {{ name }}.,Ann\n",
            "scripts.csv line 2, text: uses {{ nmae }}, a column that scripts.csv does not have; did you mean 'name'?",
        ),
        (
            "clip_id,text\na,Hi {{ voice }}.\n",
            "scripts.csv line 2, text: uses {{ voice }}, but that column says how the clip is made; "
            "put the words into a column of another name",
        ),
        (
            "clip_id,text,name\na,Hi {{ name }}.,\n",
            "scripts.csv line 2, name: is empty, but this row's text uses it; fill it in",
        ),
        (
            "clip_id,text,name\na,Hi {{ name }}.,{{ text }}\n",
            "scripts.csv line 2, name: holds {{, and a value is not filled in again; write the plain value",
        ),
        (
            "clip_id,text,name\na,Hi {{ name }}.,[pause 1s] Ann\n",
            "scripts.csv line 2, name: holds a pause mark; write pauses into the text of scripts.csv",
        ),
        (
            "clip_id,text,name\na,Hi {{ name }}.,<b>Ann</b>\n",
            "scripts.csv line 2, name: holds the markup '<b>'; scripts are spoken as plain text, take it out",
        ),
        (
            "clip_id,text\na,Hi {{ a.b }}.\n",
            "scripts.csv line 2, text: holds {{ a.b }}, which is not a name; between the braces is one column's name "
            "of letters, digits and '_', and nothing is reckoned there",
        ),
        (
            "clip_id,text\na,Hi {{a|upper}}.\n",
            "scripts.csv line 2, text: holds {{ a|upper }}, which is not a name; between the braces is one column's "
            "name of letters, digits and '_', and nothing is reckoned there",
        ),
        (
            "clip_id,text\na,Hi {{ }}.\n",
            "scripts.csv line 2, text: holds {{ }} without a name; write the name of a column between the braces",
        ),
        ("clip_id,text\na,Hi {{ name.\n", "scripts.csv line 2, text: opens {{ without closing it; write {{ name }}"),
        ("clip_id,text\na,Hi name }}.\n", "scripts.csv line 2, text: closes }} without opening it; write {{ name }}"),
        (
            "clip_id,text,vioce\na,Hi.,low\n",
            "scripts.csv line 1, vioce: is not a column of this file, and no text uses {{ vioce }}; "
            "did you mean 'voice'?",
        ),
    ],
)
def test_a_mistake_in_a_template_is_told_with_its_line_and_mending(bench, rows, said):
    assert bench.problems(rows) == [said]


def test_every_mistake_of_a_text_is_told_at_once(bench):
    said = bench.problems("clip_id,text,name\na,{{ x }} {{ y.z }} {{ name }} }} [pause five] and more.,\n")

    assert [problem.split(": ", 1)[1].split(";")[0] for problem in said] == [
        "is empty, but this row's text uses it",
        "closes }} without opening it",
        "holds '[pause five]', which is no pause mark",
        "holds {{ y.z }}, which is not a name",
        "uses {{ x }}, a column that scripts.csv does not have",
    ]


# ---------------------------------------------------------------- the audience


def test_a_row_that_uses_the_audience_becomes_a_clip_for_each_of_its_rows(bench):
    campaign = bench.read(f"{GREETING}bye,Good bye.\n", WITH_AUDIENCE, audience=PEOPLE)

    assert [(script.clip_id, script.text, script.line) for script in campaign.scripts] == [
        ("hi-ann", "Hello Ann of Paris.", 2),
        ("hi-bob", "Hello Bob of Łódź.", 2),
        ("bye", "Good bye.", 3),
    ]


def test_own_columns_and_the_audiences_fill_one_text(bench):
    rows = 'clip_id,text,product\nhi,"{{ first_name }}, {{ audience_id }}, {{ city }}: {{ product }}!",tea\n'
    campaign = bench.read(rows, WITH_AUDIENCE, audience=PEOPLE)

    assert campaign.scripts[1].text == "Bob, bob, Łódź: tea!"


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (
            "audience_id,first_name,city\nann,Ann,\n",
            "audience.csv line 2, city: is empty, but the text on line 2 of scripts.csv uses it; fill it in",
        ),
        (
            "audience_id,first_name,city,shoe\nann,Ann,Paris,42\n",
            "audience.csv line 1, shoe: is not used: no text of scripts.csv has {{ shoe }}; "
            "use it or delete the column",
        ),
        (
            "audience_id,first_name,city,voice\nann,Ann,Paris,low\n",
            "audience.csv line 1, voice: is also a column of scripts.csv; rename one of the two",
        ),
        (
            "audience_id,first_name,city\na/b,Ann,Paris\n",
            "audience.csv line 2, audience_id: is 'a/b'; use 1 to 64 letters (a-z), digits, '-' or '_', "
            "beginning with a letter or digit",
        ),
        (
            "audience_id,first_name,city\n,Ann,Paris\n",
            "audience.csv line 2, audience_id: is empty; give every row its own audience_id",
        ),
        (
            "audience_id,first_name,city\nann,Ann,Paris\nann,Anna,Rome\n",
            "audience.csv line 3, audience_id: 'ann' is also on line 2; give each row its own audience_id",
        ),
        (
            "audience_id,first_name,city\nann,Ann,Paris\nANN,Anna,Rome\n",
            "audience.csv line 3, audience_id: 'ANN' differs only by upper and lower case from 'ann' on line 2; "
            "give each row its own audience_id",
        ),
        (
            "audience_id,first_name,city\nann,<i>Ann</i>,Paris\n",
            "audience.csv line 2, first_name: holds the markup '<i>'; scripts are spoken as plain text, take it out",
        ),
        (
            "audience_id,first_name,city\nann,Ann\x07,Paris\n",
            "audience.csv line 2, first_name: holds the control character U+0007; delete it",
        ),
        (
            "audience_id,first_name,city\nann,{{ city }},Paris\n",
            "audience.csv line 2, first_name: holds {{, and a value is not filled in again; write the plain value",
        ),
        (
            "first_name,city\nAnn,Paris\n",
            "audience.csv line 1, audience_id: is missing from the header; add this column",
        ),
        ("audience_id,first_name,city\n", "audience.csv holds no rows; write at least one row below the header"),
        (
            "audience_id,first_name,city\nann,Ann,Paris,x\n",
            "audience.csv line 2: has 4 cells but the header has 3; an unquoted comma? Put that text in double quotes",
        ),
    ],
)
def test_a_mistake_in_the_audience_is_told_with_its_line_column_and_mending(bench, people, said):
    assert said in bench.problems(GREETING, WITH_AUDIENCE, audience=people)


def test_an_empty_value_is_told_once_however_many_texts_use_it(bench):
    rows = GREETING + "ho,Hi {{ city }}.\n"

    assert len(bench.problems(rows, WITH_AUDIENCE, audience="audience_id,first_name,city\nann,Ann,\n")) == 1


def test_a_text_that_is_wrong_once_filled_in_names_both_lines(bench):
    people = f"audience_id,first_name,city\nann,{'An ' * 1700},Paris\nbob,Привет,Rome\ncy,Cy,Bonn\n"

    assert bench.problems(GREETING, WITH_AUDIENCE, audience=people) == [
        "scripts.csv line 2, text: filled in for line 2 of audience.csv (ann) has 5,115 characters; 5,000 is the most, "
        "split it into clips",
        "scripts.csv line 2, text: filled in for line 3 of audience.csv (bob) has 'Привет', whose letters the voice "
        "'heart' (en-US) cannot read; choose a voice of that language, or say in campaign.yaml's lexicon how the word "
        "is spoken",
    ]


def test_a_text_that_is_wrong_for_everybody_is_not_told_a_thousand_times(bench):
    people = "audience_id,first_name,city\n" + "".join(f"p{number},Ω,Rome\n" for number in range(1000))

    said = bench.problems(GREETING, WITH_AUDIENCE, audience=people)

    assert len(said) == 21
    assert "scripts.csv line 2, text: has mistakes for 980 more rows of audience.csv" in said


def test_a_clip_id_that_grows_too_long_names_both_lines(bench):
    rows = f"clip_id,text\n{'x' * 60},Hi {{{{ name }}}}.\n"

    assert bench.problems(rows, WITH_AUDIENCE, audience="audience_id,name\nabc,Bee\nabcd,Bee\n") == [
        f"scripts.csv line 2, clip_id: with line 3 of audience.csv makes '{'x' * 60}-abcd' of 65 characters; "
        "64 is the most, shorten one of the two",
    ]


def test_a_row_may_not_be_called_like_somebodys_clip(bench):
    rows = "clip_id,text\na,Hi {{ name }}.\nA-bcd,Hi.\n"

    assert bench.problems(rows, WITH_AUDIENCE, audience="audience_id,name\nbcd,Bee\nx,Ix\n") == [
        "scripts.csv line 3, clip_id: makes the clip 'A-bcd', which differs only by upper and lower case from 'a-bcd' "
        "of line 2; change one of the two clip_ids",
    ]


def test_two_rows_may_not_make_the_same_clip(bench):
    rows = "clip_id,text\na,Hi {{ name }}.\na-b,Hi {{ name }}.\n"

    assert bench.problems(rows, WITH_AUDIENCE, audience="audience_id,name\nb-c,Bee\nc,Cee\n") == [
        "scripts.csv line 3, clip_id: makes the clip 'a-b-c' for line 3 of audience.csv, which is also of line 2; "
        "change one of the two clip_ids"
    ]


def test_more_clips_than_the_cap_are_refused_before_they_are_made(bench, monkeypatch):
    monkeypatch.setattr("aurora_pipeline.script_table.script_reader.MAX_CLIPS", 3)

    assert bench.problems(f"{GREETING}ho,{{{{ city }}}}\n", WITH_AUDIENCE, audience=PEOPLE) == [
        "scripts.csv makes 4 clips with audience.csv; 3 is the most, split it"
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "../audience.csv",
            "campaign.yaml line 4, audience: '../audience.csv' is not a name inside the campaign's folder; "
            "write just the file's name",
        ),
        (
            "https://example.com/a.csv",
            "campaign.yaml line 4, audience: 'https://example.com/a.csv' is an address; "
            "download the table into the campaign's folder",
        ),
        (
            "people.csv",
            "campaign.yaml line 4, audience: there is no file 'people.csv' in the campaign's folder; "
            "put the table there",
        ),
        ("[a]", "campaign.yaml line 4, audience: is a list or a group of keys; write one plain value"),
    ],
)
def test_an_audience_that_cannot_be_found_is_one_problem_and_not_one_of_every_row(bench, name, said):
    assert bench.problems(GREETING, f"{YAML}audience: {name}\n") == [said]


def test_a_link_to_elsewhere_is_no_audience(bench, tmp_path):
    bench.folder.mkdir(parents=True)
    (bench.folder / "audience.csv").symlink_to(bench.write(tmp_path / "elsewhere.csv", PEOPLE))

    assert bench.problems(GREETING, WITH_AUDIENCE) == [
        "campaign.yaml line 4, audience: 'audience.csv' is a link that leads outside its folder; "
        "copy the file itself there"
    ]


def test_a_fal_key_in_the_audience_is_refused_and_never_repeated(bench):
    (said,) = bench.problems(GREETING, WITH_AUDIENCE, audience=f"audience_id,first_name,city\nann,{FAL_KEY},x\n")

    assert said.startswith("audience.csv line 2: holds what looks like a fal key")
    assert FAL_KEY[:8] not in said


# ---------------------------------------------------------------- pauses


@pytest.mark.parametrize(
    ("text", "clean", "pauses"),
    [
        ("One. [pause 0.8s] Two.", "One. Two.", (Pause(1, 0.8),)),
        ("One two [pause 800ms] three", "One two three", (Pause(2, 0.8),)),
        ("One [ PAUSE ] two", "One two", (Pause(1, 0.5),)),
        ("One[pause]two [pause 10 s] three", "One two three", (Pause(1, 0.5), Pause(2, 10.0))),
        ("Wait [pause 0.1s], what?", "Wait, what?", (Pause(1, 0.1),)),
        ("“One” [pause]\n“Two”", "“One” “Two”", (Pause(1, 0.5),)),
        ("Two\nlines stay. [pause] Here too.", "Two\nlines stay. Here too.", (Pause(3, 0.5),)),
    ],
)
def test_pause_marks_are_taken_out_and_counted_in_words(bench, text, clean, pauses):
    (script,) = bench.read(f'clip_id,text\na,"{text}"\n').scripts

    assert (script.text, script.pauses) == (clean, pauses)


def test_pauses_stand_where_they_stand_in_the_filled_text(bench):
    rows = "clip_id,text,name\na,Dear {{ name }} [pause] hello.,Ann Mary Lee\n"

    assert bench.read(rows).scripts[0].pauses == (Pause(4, 0.5),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a [pause five] b",
            "holds '[pause five]', which is no pause mark; write [pause], [pause 0.8s] or [pause 800ms]",
        ),
        (
            "a [pause 0.8] b",
            "holds '[pause 0.8]', which is no pause mark; write [pause], [pause 0.8s] or [pause 800ms]",
        ),
        (
            "a [pause -1s] b",
            "holds '[pause -1s]', which is no pause mark; write [pause], [pause 0.8s] or [pause 800ms]",
        ),
        ("a [pause 60s] b", "holds '[pause 60s]'; a pause is 0.1 to 10 seconds, write [pause 0.8s]"),
        ("a [pause 5ms] b", "holds '[pause 5ms]'; a pause is 0.1 to 10 seconds, write [pause 0.8s]"),
        ("a [pause 1s b", "opens the pause mark '[pause 1s b' without closing it; write [pause 0.8s]"),
        ("[pause] a", "begins with a pause, which would be billed as silence; take the mark out"),
        ("... [pause] a", "begins with a pause, which would be billed as silence; take the mark out"),
        ("a [pause]", "ends with a pause, which would be billed as silence; take the mark out"),
        ("a [pause].", "ends with a pause, which would be billed as silence; take the mark out"),
        (
            "a [pause] [pause] b",
            "has two pauses with no word between them; write one mark with the whole length",
        ),
        (
            "a [pause {{ x }}s] b",
            "holds '[pause {{ x }}s]', which is no pause mark; write [pause], [pause 0.8s] or [pause 800ms]",
        ),
    ],
)
def test_a_pause_mark_that_is_none_is_told(bench, text, said):
    assert f"scripts.csv line 2, text: {said}" in bench.problems(f'clip_id,text\na,"{text}"\n')


def test_a_language_without_spaces_may_write_long_runs(bench):
    text = "港" * 120

    assert bench.read(f"clip_id,text,voice\na,{text},mei\n").scripts[0].text == text


# ---------------------------------------------------------------- any text at all

wild = st.text(st.sampled_from("ab {}[]|._\n0.1sm%é\u0301़") | st.characters(exclude_categories=("Cs",)), max_size=40)
pieces = st.sampled_from(
    ["{{ a }}", "{{b}}", "{{", "}}", "[pause]", "[pause 1s]", "[pause x]", "word ", "{{ a.b }}", " "]
)
written = st.lists(pieces | wild, max_size=8).map("".join)


@quick
@given(wild.filter(lambda text: "{{" not in text and "}}" not in text))
def test_a_text_without_braces_is_its_own_filling(text):
    cut = template(text)

    assert cut.wrong == ()
    assert cut.filled({}) == text


@quick
@given(wild.filter(lambda text: "pause" not in text.lower()))
def test_a_text_without_marks_is_one_piece_unchanged(text):
    assert marked(text).pieces == (text,)
    assert joined(marked(text).pieces, ()) == (text, ())


@quick
@given(written, wild, wild)
def test_values_are_taken_as_they_are_and_never_filled_in_again(text, a, b):
    cut = template(text)
    values = {"a": a, "b": b}

    if not cut.wrong and set(cut.names) <= set(values):
        parts = [values[part.name] if not isinstance(part, str) else part for part in cut.parts]
        assert cut.filled(values) == "".join(parts)
        assert cut.filled({"a": "{{ b }}", "b": "{{ a }}"}).count("{{ ") == sum(
            not isinstance(p, str) for p in cut.parts
        )


@quick
@given(written)
def test_any_text_is_cut_without_an_error_and_its_pauses_lie_between_words(text):
    cut = Cut.of(text)
    if cut.wrong or set(cut.names) - {"a", "b"}:
        return

    try:
        clean, pauses = cut.filled({"a": "Ann", "b": "Bob"})
    except ValueError as error:
        assert "pause" in str(error)  # noqa: PT017 - what kind of error it is is the claim
        return

    assert all(0 < pause.after_words < len(clean.split()) or not clean.split() for pause in pauses)
    assert [pause.after_words for pause in pauses] == sorted(pause.after_words for pause in pauses)


@pytest.fixture(scope="module")
def wild_bench(tmp_path_factory):
    return campaign_bench(tmp_path_factory.mktemp("home"))


@effort(max_examples=80, deadline=None)
@given(text=written, value=written, people=written)
def test_whatever_is_written_nothing_but_bad_input_is_raised(wild_bench, text, value, people):
    def quoted(cell):
        doubled = cell.replace('"', '""').replace("\0", "")
        return f'"{doubled}"'

    rows = f"clip_id,text,a\nx,{quoted(text)},{quoted(value)}\n"

    try:
        campaign = wild_bench.read(rows, WITH_AUDIENCE, audience=f"audience_id,b\np,{quoted(people)}\n")
    except BadInput:
        return
    assert all("{{" not in script.text and "[pause" not in script.text for script in campaign.scripts)
