"""Kinds of users are Locust's tags. Locust patches whatever process imports it, so it is asked in one of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from loadtest.plan import PLAN_VARIABLE, LoadPlan
from sim.scenario import Crowd, Kind, Scenario

ROOT = Path(__file__).parents[3]
ASK = """
import json, sys
from locust.env import Environment
from loadtest.shapes import wanted_kinds
from loadtest.users.locustfile import PersonUser
everybody = list(PersonUser.tasks)
for tags in json.loads(sys.argv[1]):
    PersonUser.tasks = list(everybody)
    environment = Environment(user_classes=[PersonUser], **tags)
    environment._filter_tasks_by_tags()
    print(json.dumps(sorted(wanted_kinds(environment))))
"""


def test_tags_choose_who_comes(tmp_path: Path) -> None:
    asked = [{}, {"tags": ["viewer", "high-roller"]}, {"exclude_tags": ["adversary"]}]
    expected = [set(Kind), {Kind.VIEWER, Kind.HIGH_ROLLER}, set(Kind) - {Kind.ADVERSARY}]
    scenario = Scenario(crowds=(Crowd(count=1, kind=Kind.HIGH_ROLLER),))
    plan = LoadPlan(name="x", scenario=scenario, api_url="http://127.0.0.1:1", record_dir=str(tmp_path), nonce=1)
    plan.save(tmp_path / "load.json")
    environment = {**os.environ, PLAN_VARIABLE: str(tmp_path / "load.json"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ASK, json.dumps(asked)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert [set(json.loads(line)) for line in said.stdout.splitlines()] == expected
