"""ray_cluster.yaml is what the installed Ray takes, and asks for what the threat model says."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
FILE = ROOT / "ray_cluster.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    """The file, read."""
    read: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return read


def test_it_is_valid_against_the_schema_of_the_installed_ray(config: dict[str, Any]) -> None:
    validate_config(prepare_config(config))


@pytest.mark.parametrize(("key", "value"), [("provider", "local"), ("setup_commands", [1]), ("no_such_key", 1)])
def test_an_invalid_file_would_be_seen(config: dict[str, Any], key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        validate_config({**prepare_config(copy.deepcopy(config)), key: value})


@pytest.mark.parametrize("role", ["head", "worker"])
def test_every_machine_starts_with_a_token_and_names_its_organisation(config: dict[str, Any], role: str) -> None:
    (start,) = (line for line in config[f"{role}_start_ray_commands"] if " start " in line)
    assert "RAY_AUTH_MODE=token " in start
    assert re.search(r"--resources='\{\"reperform:[^\"]+\": 1\}'", start)
    assert "/home/reperform/.ray/auth_token" in config["file_mounts"]


def test_it_says_that_ray_never_spans_organisations() -> None:
    text = FILE.read_text()
    assert "RAY NEVER SPANS ORGANISATIONS" in text
    assert "reperform[replayer,pool]" in text
