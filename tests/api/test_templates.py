"""GET /api/eval/templates, and what create and retry do with a template."""

from typing import Any

import pytest
from api.factories import Caller, Reference, Team
from factories import PEPPER
from starlette.testclient import TestClient

from mixus.accounts.principal import Scope
from mixus.agents.catalog import Catalog
from mixus.agents.templates.catalogue import TEMPLATES, task
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.toolbox import tools_of
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.evals import workspace
from mixus.evals.lifecycle import Area
from mixus.server.app import create_app

LIST = "/api/eval/templates"
CREATE = "/api/eval/create-task-agent"
NAMES = list(TEMPLATES)


@pytest.fixture
def app(database: Database, tmp_path: Any) -> Any:
    """With all the tools of a deployment."""
    settings = Settings(data=tmp_path, requests_per_minute=10_000, queued_per_user=1000)
    return create_app(settings, database, PEPPER, Catalog("rehearsal", tools_of(settings)))


def post(caller: Caller, **body: Any) -> Any:
    return caller("POST", CREATE, json=body)


def refused_field(response: Any) -> str:
    assert response.status_code == 422, response.text
    return str(response.json()["errors"][0]["field"])


def row_of(team: Team, execution_id: str, columns: str) -> tuple[Any, ...]:
    with team.database.engine.connect() as connection:
        sql = f"select {columns} from executions where id = '{execution_id}'"  # noqa: S608 - ids of ours
        return tuple(connection.exec_driver_sql(sql).one())


def own_copy(team: Team, execution_id: str) -> dict[Area, dict[str, bytes | None]]:
    with team.database.snapshot() as tx:
        return {area: workspace.entries(tx, execution_id, area) for area in Area}


def test_every_template_is_listed_with_its_defaults_filled_in(ada: Caller) -> None:
    answer = ada("GET", LIST).json()
    assert [item["name"] for item in answer["items"]] == NAMES
    assert (answer["success"], answer["nextCursor"]) == (True, None)
    credit = next(item for item in answer["items"] if item["name"] == "tax-credit")
    assert [each["stage"] for each in credit["checkpoints"]] == [
        "qualified expenses",
        "base amount",
        "credit",
    ]
    assert credit["expectedOutcome"] == {"type": "number", "value": 34300, "tolerance": 0.005}
    assert credit["rehearsal"]["whole"] is True
    assert credit["missingTools"] == []
    wages = {
        "name": "wages",
        "description": "Wages for research.",
        "type": "number",
        "format": None,
        "default": 300_000,
        "minimum": 0,
        "maximum": 1_000_000_000,
        "multipleOf": 0.01,
        "maxLength": None,
        "enum": None,
    }
    assert credit["parameters"][0] == wages
    shown = {each["name"]: each for each in answer["items"][0]["parameters"]}
    assert shown["currency"]["enum"] == ["$", "€", "£"]
    assert (shown["recipient"]["type"], shown["recipient"]["format"]) == ("string", "email")


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_created_with_nothing_but_its_name(ada: Caller, team: Team, name: str) -> None:
    response = post(ada, template=name)
    assert response.status_code == 201, response.text
    execution = response.json()["executionId"]
    status = ada.status(execution)
    made = task(name, {}, "rehearsal")
    assert status["taskName"] == TEMPLATES[name].title
    assert [each["stage"] for each in status["checkpoints"]] == [each.stage for each in made.checkpoints]
    assert row_of(team, execution, "template, task_description") == (name, made.description)
    kept = own_copy(team, execution)
    assert {(area, path) for area, files in kept.items() for path in files} == {
        (place.area, place.path) for place in made.seeds
    }


def test_what_the_listing_says_can_be_created_as_it_stands(ada: Caller) -> None:
    for item in ada("GET", LIST).json()["items"]:
        given = {each["name"]: each["default"] for each in item["parameters"]}
        assert post(ada, template=item["name"], parameters=given).status_code == 201


def test_parameters_fill_in_the_task(ada: Caller, team: Team) -> None:
    given = {"rate": 12.5, "sales": "1000.40", "currency": "€", "recipient": "bob@example.org"}
    execution = post(ada, template="commission", parameters=given).json()["executionId"]
    (description,) = row_of(team, execution, "task_description")
    assert "a 12.5% commission on €1,000.40 in sales" in description
    assert "to bob@example.org with" in description
    assert ada.status(execution)["checkpoints"][0]["verificationQuestion"] == "Is it 12.5% of €1,000.40?"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "taskDescription"),
        ({"taskDescription": None, "template": None}, "taskDescription"),
        ({"taskDescription": "Calculate 2 plus 2", "template": "commission"}, "template"),
        ({"taskDescription": "Calculate 2 plus 2", "parameters": {}}, "parameters"),
        ({"parameters": {"rate": 15}}, "taskDescription"),
        ({"template": ""}, "template"),
        ({"template": "no-such"}, "template"),
        ({"template": 7}, "template"),
        ({"template": "commission", "parameters": []}, "parameters"),
        ({"template": "commission", "parameters": {"rate": 101}}, "parameters.rate"),
        ({"template": "commission", "parameters": {"rate": True}}, "parameters.rate"),
        ({"template": "commission", "parameters": {"rates": 15}}, "parameters.rates"),
        ({"template": "commission", "parameters": {"recipient": "a\0@example.org"}}, "parameters.recipient"),
        ({"template": "commission", "parameters": {"recipient": {"a": 1}}}, "parameters.recipient"),
        ({"template": "tax-credit", "parameters": {"wages": 1}}, "parameters.priorAverage"),
        ({"template": "commission", "tools": ["no-such"]}, "tools"),
    ],
)
def test_what_is_not_valid_is_refused_by_the_name_of_its_field(
    ada: Caller, body: dict[str, Any], field: str
) -> None:
    assert refused_field(post(ada, **body)) == field


def test_what_the_request_says_wins_over_the_template(ada: Caller, team: Team) -> None:
    stage = {"stage": "mine", "description": "Look."}
    execution = post(
        ada,
        template="report-and-mail",
        taskName="Mine",
        checkpoints=[stage],
        autoDetectCheckpoints=False,
        tools=["calculate"],
        expectedOutcome={"type": "contains", "value": "7"},
        maxSteps=7,
        metadata={"run": 1},
    ).json()["executionId"]
    status = ada.status(execution)
    assert status["taskName"] == "Mine"
    assert [each["stage"] for each in status["checkpoints"]] == ["mine"]
    kept = row_of(team, execution, "auto_detect, tools, expected_outcome, max_steps")
    assert not kept[0]
    assert "calculate" in str(kept[1])
    assert "read_file" not in str(kept[1])
    assert "contains" in str(kept[2])
    assert kept[3] == 7


def test_an_empty_list_of_checkpoints_leaves_those_of_the_template_out(ada: Caller, team: Team) -> None:
    execution = post(ada, template="commission", checkpoints=[]).json()["executionId"]
    assert ada.status(execution)["checkpoints"] == []
    assert row_of(team, execution, "auto_detect")[0]


def test_a_template_with_data_of_its_own_does_not_go_live(ada: Caller) -> None:
    response = post(ada, template="data-clean-up", environment="live")
    assert refused_field(response) == "environment"
    assert "sandbox only" in response.json()["detail"]


def test_where_a_tool_lacks_the_template_is_refused_and_the_listing_says_so(database: Database) -> None:
    app = create_app(Settings(), database, PEPPER, Catalog("rehearsal", BUILT_IN))
    with TestClient(app) as http:
        ada = Team(http, database, Reference(app.openapi())).person("ada@example.org")
        response = post(ada, template="bonus-list")
        assert refused_field(response) == "template"
        assert "list_files and read_file and write_file" in response.json()["detail"]
        listed = {item["name"]: item["missingTools"] for item in ada("GET", LIST).json()["items"]}
    assert listed["bonus-list"] == ["list_files", "read_file", "write_file"]
    assert listed["commission"] == []


def test_the_same_key_creates_a_template_once(ada: Caller) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"template": "commission", "parameters": {"rate": 10}}
    first, again = (ada("POST", CREATE, json=body, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    other = {**body, "parameters": {"rate": 11}}
    assert ada("POST", CREATE, json=other, headers=headers).json()["code"] == "idempotency-mismatch"


@pytest.mark.parametrize("name", ["data-clean-up", "bonus-list", "commission"])
def test_a_retried_template_begins_with_the_same_copy(ada: Caller, team: Team, name: str) -> None:
    first = post(ada, template=name, parameters=OTHER.get(name)).json()["executionId"]
    seeds = own_copy(team, first)
    ada("POST", f"/api/eval/executions/{first}/cancel")
    again = ada("POST", f"/api/eval/executions/{first}/retry").json()["executionId"]
    assert own_copy(team, again) == seeds
    columns = "template, parameters, expected_outcome, task_description"
    assert row_of(team, again, columns) == row_of(team, first, columns)


OTHER = {"data-clean-up": {"customers": 33, "keep": "highest"}, "bonus-list": {"people": "7"}}


def test_reading_needs_the_scope_and_a_key(team: Team, http: TestClient) -> None:
    creator = team.person("carl@example.org", {Scope.CREATE})
    assert creator("GET", LIST).json()["code"] == "insufficient-scope"
    assert http.get(LIST).status_code == 401
    reader = team.person("rita@example.org", {Scope.READ})
    assert reader("GET", LIST).status_code == 200
    assert post(reader, template="commission").status_code == 403


def test_the_list_takes_no_parameters(ada: Caller) -> None:
    assert ada("GET", f"{LIST}?limit=1").status_code == 422
