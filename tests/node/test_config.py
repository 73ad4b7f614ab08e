"""A configuration is read as it stands or not at all, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from reperform.evidence.encoding import MalformedError
from reperform.replayer.config import Config

HERE = Path("/srv/node")
WHOLE = Config(
    docket="https://docket.example:8443/d",
    key=HERE / "node.key",
    roots=HERE / "roots.json",
    state=HERE / "state",
    rosters=(HERE / "one.dsse", HERE / "two.dsse"),
    models=(HERE / "models" / 'a "b" \\ c\x7f𝄞\n',),
    models_from="https://models.example",
    ca=HERE / "ca.pem",
    log="https://log.example",
    witnesses=("https://one.example", "https://two.example/w"),
)
SMALL = Config("/srv/docket", HERE / "node.key", HERE / "roots.json", Path("/var/lib/node"))


@pytest.mark.parametrize("config", [WHOLE, SMALL])
def test_what_is_written_is_read(config: Config) -> None:
    assert Config.parse(config.text(), HERE) == config


def test_a_setting_that_is_not_set_stands_in_the_file_as_an_example() -> None:
    lines = SMALL.text().splitlines()
    assert '# models_from = "https://models.example"' in lines
    assert all(line.startswith("# ") or " = " in line or not line for line in lines)


def test_paths_are_relative_to_the_folder_of_the_file(tmp_path: Path) -> None:
    text = 'docket = "docket"\nkey = "../k"\nroots = "/etc/roots.json"\nstate = "s"\nmodels = ["m"]\n'
    (tmp_path / "node.toml").write_text(text)
    config = Config.read(tmp_path / "node.toml")
    assert config.docket == str(tmp_path / "docket")
    assert (config.key, config.roots) == (tmp_path / ".." / "k", Path("/etc/roots.json"))
    assert (config.state, config.models) == (tmp_path / "s", (tmp_path / "m",))


GOOD = 'docket = "https://d"\nkey = "k"\nroots = "r"\nstate = "s"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD + 'modles = ["m"]', "unknown setting 'modles'; there are docket, roots, key, state, models"),
        (GOOD + "[docket]\nx = 1", "is not TOML"),
        (GOOD + 'key = "twice"', "is not TOML"),
        (GOOD.replace('key = "k"', ""), "the setting 'key' is missing"),
        (GOOD.replace('"s"', "7"), "the setting 'state' is not a text"),
        (GOOD.replace('"s"', '""'), "the setting 'state' is not a text"),
        (GOOD + 'models = "m"', "the setting 'models' is not a list of texts"),
        (GOOD + 'models = ["m", 1]', "the setting 'models' is not a list of texts"),
        (GOOD + "models_from = false", "the setting 'models_from' is not a text"),
        ("docket = ", "is not TOML"),
        ("\xff", "is not TOML"),
        ("", "the setting 'docket' is missing"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused_by_the_settings_name(
    text: str, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "node.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(MalformedError, match=why) as caught:
        Config.read(path)
    assert str(path) in str(caught.value)
    assert "docs/run-a-node.md" in str(caught.value)
