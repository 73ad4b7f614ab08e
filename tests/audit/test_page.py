"""A report as people read it: the same values in every form, and a page that loads nothing and believes nobody."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
from reperform.cli.audit.report import report as command
from reperform.consensus.audit.rendering.account import Account, percent
from reperform.consensus.audit.rendering.clauses import CLAUSES, LIMITS
from reperform.consensus.audit.rendering.page import FOLDER, page
from reperform.consensus.audit.rendering.plots import WIDTH, bars, strips
from reperform.consensus.audit.rendering.table import lines
from reperform.evidence.audit.draw import Drawn
from reperform.evidence.audit.examined import Examined
from reperform.evidence.audit.report import Event, Report, open_report
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Signed
from reperform.evidence.errors import ReperformError
from reperform.tests.audit.bank import SECOND
from reperform.tests.audit.scene import Scene
from typer.testing import CliRunner

HOSTILE = "<script>alert('1')</script>\"><img src=x onerror=alert(2)> {{ 7*7 }} [red]&amp;"
LOADING = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "image", "use", "a"}
VOID = {"meta", "br", "rect", "path"}
ONE_OF_EACH = dict(enumerate(Examined))


@dataclass
class Read(HTMLParser):
    """A page, as a parser sees it."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str | None]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, text: str) -> Read:
        read = cls()
        read.feed(text)
        read.close()
        return read

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if {"td", "th"} & set(self.unclosed):
            self.cells[-1][-1] += data

    def rows(self) -> list[list[str]]:
        """The cells of every table, with their white space as it is shown."""
        return [[" ".join(cell.split()) for cell in row] for row in self.cells]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.of(tmp_path_factory.mktemp("scene"), skip=True)


def account(scene: Scene, report: Report) -> Account:
    return Account.of(open_report(scene.sign(report), scene.drawn), scene.drawn)


def in_two(scene: Scene) -> Account:
    """A report of two strata, one with deviations and something that could not be examined."""
    clean = scene.report().strata[0]
    report = scene.report({1: Examined.MISMATCH, 2: Examined.INDETERMINATE})
    two = replace(report, strata=(replace(clean, name="a"), replace(report.strata[0], name="b")))
    envelope = scene.sign(two)
    return Account.of(Signed(two, frozenset(s.key_id for s in envelope.signatures), envelope), scene.drawn)


def test_all_forms_show_the_same_figures(scene: Scene) -> None:
    shown = in_two(scene)
    body = json.loads(json.dumps(shown.body()))
    rows, told = Read.of(page(shown)).rows(), [line.split() for line in lines(body)]
    for row in (*body["figures"]["strata"], body["figures"]["whole"]):
        one, other = row["cautious"], row["lenient"]
        differ = [
            (str(one["deviations"]), str(other["deviations"])),
            (one["estimate"]["percent"], other["estimate"]["percent"]),
            (str(one["bound"]), str(other["bound"])),
            (one["rate"]["percent"], other["rate"]["percent"]),
        ]
        deviations, estimate, bound, rate = (a if a == b else f"{a} ({b})" for a, b in differ)
        verdict = "reached" if one["reached"] else "not reached (reached)" if other["reached"] else "not reached"
        size, sample = str(row["population"]), str(row["sample"])
        assert [row["name"], size, sample, deviations, f"{estimate} %", bound, f"{rate} %", verdict] in rows
        deviations, estimate, bound, rate = (a if a == b else f"{a} / {b}" for a, b in differ)
        yes = {True: "yes", False: "NO"}
        both = yes[one["reached"]] if one["reached"] == other["reached"] else "NO / yes"
        unknown = str(row["findings"]["INDETERMINATE"])
        cells = " ".join([row["name"], size, sample, deviations, unknown, estimate, bound, rate, both])
        assert cells.split() in told


def test_the_figures_are_those_that_are_derived(scene: Scene) -> None:
    shown = account(scene, scene.report(ONE_OF_EACH))
    whole = shown.body()["figures"]["whole"]
    assert whole["cautious"]["deviations"] == 5
    assert whole["lenient"]["deviations"] == 4
    assert Fraction(whole["cautious"]["rate"]["fraction"]) == shown.figures.whole.cautious.rate
    assert whole["findings"] == {
        finding: whole["sample"] - 5 if finding is Examined.MATCH else 1 for finding in Examined
    }
    assert shown.body()["items_in_all"] == 5


def test_every_item_event_and_remark_is_on_the_page(scene: Scene) -> None:
    shown = account(scene, scene.report(ONE_OF_EACH))
    read, body = Read.of(page(shown)), shown.body()
    for item in body["items"]:
        assert [str(item["entry"]), item["finding"], item["cause"], item["receipt"], item["evidence"]] in read.rows()
    text = " ".join(" ".join(read.texts).split())
    for said in (
        *body["not_covered"],
        *LIMITS,
        *(event["what"] for event in body["events"]),
        *body["method"],
        body["draw"]["seed"],
        body["population"]["root"],
        body["population"]["witnesses"][0],
        body["signed"]["sha256"],
        "1 crashed",
        "1 MISSING: no entry has this number",
        "Assurance not reached",
    ):
        assert said in text


@pytest.mark.parametrize("marks", [{}, ONE_OF_EACH])
def test_nothing_is_loaded_and_nothing_runs(scene: Scene, marks: dict[int, Examined]) -> None:
    text = page(account(scene, scene.report(marks)))
    read = Read.of(text)
    assert not read.unclosed
    assert not LOADING & set(read.tags)
    names = {name for name, _ in read.attributes}
    assert not names & {"src", "href", "xlink:href", "action", "srcset", "style", "data", "background"}
    assert not [name for name in names if name.startswith("on")]
    assert not re.search(r"https?:|//|url\(|@import", text)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes


def test_hostile_names_are_text(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, name=HOSTILE, beacon=None)
    report = scene.report({1: Examined.MISMATCH}, not_covered=(HOSTILE,), events=(Event(0, HOSTILE),))
    (stratum,), (item,) = report.strata, report.items
    hostile = replace(report, strata=(replace(stratum, name=HOSTILE),), items=(replace(item, cause=HOSTILE),))
    drawn = _renamed(scene.drawn)
    read = Read.of(page(Account.of(open_report(scene.sign(hostile), drawn), drawn)))
    plain = Read.of(page(account(scene, scene.report({1: Examined.MISMATCH}))))
    assert read.tags == plain.tags
    assert {name for name, _ in read.attributes} == {name for name, _ in plain.attributes}
    shown = " ".join(" ".join(read.texts).split())
    # title, heading, lead (thrice and as auditor), a figure's row, two plots, cause, remark, event
    assert shown.count(HOSTILE) >= 10
    body = Account.of(open_report(scene.sign(hostile), drawn), drawn).body()
    told = "".join("".join(lines(body)).split())  # the table folds what is long
    assert told.count("".join(HOSTILE.split())) >= 5


def test_a_name_on_a_terminal_is_no_markup(scene: Scene) -> None:
    report = scene.report()
    named = replace(report, strata=(replace(report.strata[0], name="[red]all[/red]"),))
    assert any("[red]all[/red]" in line for line in lines(account(scene, named).body()))


def test_whoever_kept_its_nonce_is_named(scene: Scene) -> None:
    missing = replace(scene.drawn, missing=scene.drawn.roster.panel()[1:2])
    shown = Account.of(open_report(scene.sign(scene.report()), missing), missing)
    fault = f"{SECOND}, node {SECOND} did not reveal its nonce"
    assert fault in Read.of(page(shown)).texts
    assert f"  FAULT      {SECOND} ({SECOND}) did not reveal its nonce" in lines(shown.body())


def _renamed(drawn: Drawn) -> Drawn:
    """The same draw, whose lead has a hostile name."""
    announced = drawn.frozen.announced
    organisations = tuple(
        replace(each, name=HOSTILE, nodes=tuple(replace(node, name=HOSTILE) for node in each.nodes))
        if announced.lead in each.nodes
        else each
        for each in announced.roster.organisations
    )
    roster = replace(announced.roster, organisations=organisations)
    return replace(drawn, frozen=replace(drawn.frozen, announced=replace(announced, roster=roster)))


def test_colours_have_the_contrast_of_wcag_aa() -> None:
    style = (FOLDER / "page.css").read_text()
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", style))
    assert colours.keys() == {"ink", "quiet", "rule", "good", "bad", "bar", "faint"}
    for name in ("ink", "quiet", "good", "bad"):
        for ground in ("#ffffff", colours["faint"]):
            assert _contrast(colours[name], ground) >= 4.5
    for mark in (colours["bar"], colours["bad"], *re.findall(r"\.(?:drawn|unknown) { stroke: (#[0-9a-f]{6})", style)):
        assert _contrast(mark, "#e9edf1") >= 3  # of the plots' ground


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""
    lights = []
    for colour in (one, other):
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        lights.append(sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize(
    ("fraction", "nearest", "up"),
    [
        ("0", "0", "0"),
        ("1/20", "5", "5"),
        ("1/3", "33.3333", "33.3334"),
        ("2/3", "66.6667", "66.6667"),
        ("1/10000000", "0", "0.0001"),
        ("1/8", "12.5", "12.5"),
        ("1", "100", "100"),
    ],
)
def test_a_bound_is_rounded_up_and_an_estimate_to_the_nearest(fraction: str, nearest: str, up: str) -> None:
    assert percent(Fraction(fraction)) == nearest
    assert percent(Fraction(fraction), up=True) == up


def test_the_plots_show_where_things_are(scene: Scene, tmp_path: Path) -> None:
    shown = account(scene, scene.report({0: Examined.MISSING, 1: Examined.INDETERMINATE}))
    (bar,), (strip,) = bars(shown), strips(shown)
    within, entries = shown.drawn.frozen.range, scene.population.strata[0].sample
    places = [round(Fraction(entry - within.start, len(within) - 1) * WIDTH) for entry in entries]
    assert strip.drawn == "".join(f"M{place} 0V1" for place in places)
    assert strip.deviations == f"M{places[0]} 0V1"
    assert strip.unknown == f"M{places[1]} 0V1"
    assert 0 < bar.estimate < bar.lenient < bar.cautious <= WIDTH
    assert bar.tolerable < bar.lenient  # not reached
    clean = bars(account(scene, scene.report()))[0]
    assert (clean.estimate, clean.tolerable) == (0, WIDTH // 2)
    assert clean.cautious == clean.lenient < clean.tolerable
    later = Scene.of(tmp_path, first=20)
    entry = later.population.strata[0].sample[0]
    within = later.drawn.frozen.range
    place = round(Fraction(entry - 20, len(within) - 1) * WIDTH)
    assert strips(account(later, later.report()))[0].drawn.startswith(f"M{place} 0V1")
    assert [each.name for each in bars(in_two(scene))] == ["a", "b", "all decisions"]


def test_an_audit_of_no_decisions_has_a_page_too(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, decisions=0)
    shown = account(scene, scene.report())
    assert "Assurance not reached" in page(shown)
    assert lines(shown.body())[0].startswith("NOT REACHED")


def test_clauses_are_served_and_nothing_is_claimed() -> None:
    assert [clause.clause for clause in CLAUSES] == [
        *("8.1", "9.1", "9.2", "A.6.2.6", "A.6.2.8"),
        *("Art. 12", "Art. 19", "Art. 26", "Art. 72"),
    ]
    for clause in CLAUSES:
        assert clause.serves.startswith("Serves as ")
        assert clause.not_shown
        assert not re.search(
            r"compl[iy]|certif|guarantee|ensure|prove|satisf|fulfil|meets", clause.serves, re.IGNORECASE
        )


def _filed(scene: Scene, folder: Path, report: Report, by: str | None = None) -> list[str]:
    """What the command is called with, for a folder that holds this report."""
    signed = scene.sign(report) if by is None else scene.sign(report, by)
    (folder / "report.dsse").write_bytes(to_bytes(signed))
    (folder / "roster.dsse").write_bytes(to_bytes(scene.bank.world.roster_envelope))
    (folder / "roots.json").write_text(scene.bank.world.roots.to_json())
    return [str(folder), "--roster", str(folder / "roster.dsse"), "--roots", str(folder / "roots.json")]


@pytest.mark.parametrize(("marks", "status"), [({}, 0), ({0: Examined.INDETERMINATE}, 1), ({0: Examined.BROKEN}, 1)])
def test_the_command_shows_all_forms_and_says_by_its_status_what_came_out(
    tmp_path: Path, marks: dict[int, Examined], status: int
) -> None:
    scene = Scene.of(tmp_path)
    arguments, html = _filed(scene, tmp_path / "audit", scene.report(marks)), tmp_path / "page.html"
    app = typer.Typer()
    app.command()(command)
    told = CliRunner().invoke(app, [*arguments, "--html", str(html)])
    assert told.exit_code == status
    assert told.stdout.startswith("REACHED" if status == 0 else "NOT REACHED")
    shown = CliRunner().invoke(app, [*arguments, "--json"])
    assert shown.exit_code == status
    body = json.loads(shown.stdout)
    assert body == json.loads(json.dumps(account(scene, scene.report(marks)).body()))
    assert html.read_text() == page(account(scene, scene.report(marks)))


def test_the_command_refuses_what_does_not_verify(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path)
    app = typer.Typer()
    app.command()(command)
    arguments = _filed(scene, tmp_path / "audit", scene.report(), by=SECOND)
    for folder in (tmp_path / "audit", tmp_path):  # not the lead's signature; no report
        arguments[0] = str(folder)
        told = CliRunner().invoke(app, [*arguments, "--html", str(tmp_path / "page.html")])
        assert isinstance(told.exception, ReperformError)
        assert told.stdout == ""
        assert not (tmp_path / "page.html").exists()
