"""The prompt library of the embedded store, used as the SDK's public methods use Opik's."""

from __future__ import annotations

import json

import httpx
import opik
import pytest
from embedded import PROJECT, uid
from opik import exceptions
from opik.api_objects.prompt import PromptType
from opik.api_objects.prompt.mask_context import prompt_mask_context
from opik.rest_api.core.api_error import ApiError
from opik.rest_api.types.prompt_version_detail import PromptVersionDetail

from adapter.embedded_opik import EmbeddedOpik, prompt_variables

MESSAGES = [{"role": "system", "content": "You judge {{what}}."}, {"role": "user", "content": "{{step}}"}]


def test_the_same_text_is_the_same_version_and_a_changed_one_a_new_commit(sdk: opik.Opik, server: EmbeddedOpik) -> None:
    first = sdk.create_prompt("rubric", "Judge {{step}}.", metadata={"version": 1})
    again = sdk.create_prompt("rubric", "Judge {{step}}.", metadata={"version": 1})
    changed = sdk.create_prompt("rubric", "Judge {{step}} well.", metadata={"version": 1})
    other_metadata = sdk.create_prompt("rubric", "Judge {{step}} well.", metadata={"version": 2})
    assert (again.commit, again.version_id) == (first.commit, first.version_id)
    assert [p.version for p in (first, changed, other_metadata)] == ["v1", "v2", "v3"]
    assert len({first.commit, changed.commit, other_metadata.commit}) == 3
    assert first.version_id is not None
    assert first.commit == first.version_id[-8:]
    assert first.format(step="one") == "Judge one."
    assert server.app.state.rows_written["prompts", "new"] == 1
    assert server.app.state.rows_written["prompt_versions", "new"] == 3


def test_a_prompt_is_got_by_name_commit_and_version(sdk: opik.Opik) -> None:
    first = sdk.create_prompt("rubric", "one")
    second = sdk.create_prompt("rubric", "two")
    for wanted, text in (
        ({}, "two"),
        ({"commit": first.commit}, "one"),
        ({"version": "v1"}, "one"),
        ({"version": "v2"}, "two"),
        ({"commit": second.commit}, "two"),
    ):
        found = sdk.get_prompt("rubric", no_cache=True, **wanted)
        assert found is not None
        assert found.prompt == text
    assert sdk.get_prompt("rubric", version="v3", no_cache=True) is None
    assert sdk.get_prompt("rubric", commit="00000000", no_cache=True) is None
    assert sdk.get_prompt("other", no_cache=True) is None
    assert sdk.get_prompt("rubric", project_name="elsewhere", no_cache=True) is None


def test_a_new_prompt_keeps_its_id_description_and_tags(sdk: opik.Opik) -> None:
    made = sdk.create_prompt("rubric", "one", id=uid("prompt"), description="for steps", tags=["judge", "v1"])
    assert made.tags == ["judge", "v1"]
    found = sdk.rest_client.prompts.get_prompt_by_id(uid("prompt"))
    assert (found.name, found.description, found.tags, found.version_count) == (
        "rubric",
        "for steps",
        ["judge", "v1"],
        1,
    )
    assert found.latest_version is not None
    assert found.latest_version.template == "one"


def test_a_chat_prompt_is_the_same_for_the_same_messages_and_keeps_its_structure(sdk: opik.Opik) -> None:
    made = sdk.create_chat_prompt("judge", MESSAGES)
    assert sdk.create_chat_prompt("judge", MESSAGES).commit == made.commit
    found = sdk.get_chat_prompt("judge", no_cache=True)
    assert found is not None
    assert found.template == MESSAGES
    assert found.format({"what": "steps", "step": "ls"})[0]["content"] == "You judge steps."
    with pytest.raises(exceptions.PromptTemplateStructureMismatch):
        sdk.create_prompt("judge", "a text")
    with pytest.raises(exceptions.PromptTemplateStructureMismatch):
        sdk.get_prompt("judge", no_cache=True)
    # The server says so as well, to whoever does not look first.
    body = {"name": "judge", "project_name": PROJECT, "template_structure": "text", "version": {"template": "a text"}}
    with httpx.Client(base_url=sdk.config.url_override) as http:
        assert http.post("/v1/private/prompts/versions", json=body).status_code == 400


def test_a_jinja_prompt_is_another_version_of_the_same_text(sdk: opik.Opik) -> None:
    mustache = sdk.create_prompt("rubric", "{{ step }}")
    jinja = sdk.create_prompt("rubric", "{{ step }}", type=PromptType.JINJA2)
    assert (mustache.version, jinja.version, str(jinja.type)) == ("v1", "v2", "jinja2")
    assert jinja.format(step="x") == "x"


def test_the_history_is_searched_and_filtered_page_by_page(sdk: opik.Opik) -> None:
    for number in range(103):
        sdk.rest_client.prompts.create_prompt_version(
            name="rubric",
            version=PromptVersionDetail(template=f"text {number}", change_description=f"change {number}"),
            project_name=PROJECT,
        )
    assert [p.version for p in sdk.get_prompt_history("rubric")] == [f"v{n}" for n in range(103, 0, -1)]
    assert [p.prompt for p in sdk.get_prompt_history("rubric", search="TEXT 10")] == [
        "text 102",
        "text 101",
        "text 100",
        "text 10",
    ]
    assert [p.version for p in sdk.get_prompt_history("rubric", search="change 42")] == ["v43"]
    versions = sdk.get_prompt_history("rubric", filter_string='template = "text 7"')
    assert [p.change_description for p in versions] == ["change 7"]
    sdk.get_prompts_client().batch_update_prompt_version_tags([str(versions[0].version_id)], tags=["good"])
    sdk.get_prompts_client().batch_update_prompt_version_tags([str(versions[0].version_id)], tags=["best"], merge=True)
    found = sdk.get_prompt_history("rubric", filter_string='tags contains "best"')
    assert [(p.version, p.tags) for p in found] == [("v8", ["good", "best"])]
    sdk.get_prompts_client().batch_update_prompt_version_tags([str(versions[0].version_id)], tags=[])
    assert sdk.get_prompt_history("rubric", filter_string='tags contains "best"') == []
    assert sdk.get_prompt_history("other") == []


def test_prompts_are_searched_with_opiks_query_language_within_their_project(sdk: opik.Opik) -> None:
    sdk.create_prompt("alpha", "1", tags=["x"])
    sdk.create_prompt("beta", "1")
    sdk.create_prompt("beta", "2")
    sdk.create_chat_prompt("gamma", MESSAGES)
    sdk.create_prompt("alpha", "elsewhere", project_name="other")

    def found(query: str | None = None, project: str = PROJECT) -> list[str]:
        prompts = sdk.search_prompts(query, project_name=project)
        return sorted(f"{type(p).__name__} {p.name} {p.version}" for p in prompts)

    assert found() == ["ChatPrompt gamma v1", "Prompt alpha v1", "Prompt beta v2"]
    assert found('tags contains "x"') == ["Prompt alpha v1"]
    assert found('name contains "TA"') == ["Prompt beta v2"]
    assert found('template_structure = "chat"') == ["ChatPrompt gamma v1"]
    assert found('created_by = "admin" AND name starts_with "a"') == ["Prompt alpha v1"]
    assert found(project="other") == ["Prompt alpha v1"]


def test_an_environment_points_to_one_version_of_a_prompt(sdk: opik.Opik) -> None:
    sdk.create_environment("canary", description="first users", color="#ff0000")
    sdk.create_prompt("rubric", "one")
    sdk.create_prompt("rubric", "two")
    with pytest.raises(exceptions.EnvironmentNotFoundError):
        sdk.set_prompt_environments("rubric", ["canary", "nowhere"])
    with pytest.raises(exceptions.PromptNotFoundError):
        sdk.set_prompt_environments("rubric", ["canary"], version="v9")
    sdk.set_prompt_environments("rubric", ["canary"], version="v1")
    pinned = sdk.get_prompt("rubric", environment="canary", no_cache=True)
    assert pinned is not None
    assert (pinned.prompt, pinned.environments) == ("one", ["canary"])
    # It moves: no two versions are in one environment.
    sdk.set_prompt_environments("rubric", ["canary"])
    assert [p.environments for p in sdk.get_prompt_history("rubric")] == [["canary"], None]
    sdk.set_prompt_environments("rubric", [])
    assert sdk.get_prompt("rubric", environment="canary", no_cache=True) is None


def test_environments_are_made_once_changed_and_deleted(sdk: opik.Opik) -> None:
    made = sdk.create_environment("canary")
    with pytest.raises(exceptions.EnvironmentAlreadyExists):
        sdk.create_environment("canary")
    changed = sdk.update_environment("canary", description="first users")
    assert (changed.id, changed.description) == (made.id, "first users")
    sdk.create_prompt("rubric", "one")
    sdk.set_prompt_environments("rubric", ["canary"])
    sdk.delete_environment("canary")
    assert sdk.get_environments() == []
    assert sdk.get_prompt("rubric", environment="canary", no_cache=True) is None


def test_prompts_given_to_an_experiment_are_linked_to_it(sdk: opik.Opik, server: EmbeddedOpik) -> None:
    prompt = sdk.create_prompt("rubric", "Judge {{step}}.")
    chat = sdk.create_chat_prompt("judge", MESSAGES)
    sdk.create_dataset("tasks")
    experiment = sdk.create_experiment("tasks", name="run", prompts=[prompt, chat])
    links = [(prompt.commit, "rubric"), (chat.commit, "judge")]
    shown = experiment.get_experiment_data()
    assert shown.prompt_versions is not None
    assert [(one.commit, one.prompt_name) for one in shown.prompt_versions] == links
    assert shown.prompt_versions[0].prompt_version_id == prompt.version_id
    assert shown.prompt_version is not None
    assert shown.prompt_version.commit == prompt.commit
    assert shown.metadata == {"prompts": {"rubric": "Judge {{step}}.", "judge": MESSAGES}}
    (found,) = sdk.rest_client.experiments.find_experiments(name="run").content or []
    assert found.prompt_versions == shown.prompt_versions

    wire = httpx.get(f"{server.url}/v1/private/experiments/{experiment.id}").json()
    assert wire["prompt_versions"][0]["id"] == prompt.version_id  # Opik's own name of it
    with pytest.raises(ApiError) as refused:
        sdk.rest_client.experiments.create_experiment(dataset_name="tasks", prompt_versions=[{"id": uid("none")}])  # pyright: ignore[reportArgumentType]
    assert refused.value.status_code == 409


def test_a_mask_stands_beside_the_history(sdk: opik.Opik) -> None:
    prompt = sdk.create_prompt("rubric", "one")
    masked = sdk.rest_client.prompts.create_prompt_version(
        name="rubric", version=PromptVersionDetail(template="masked", version_type="mask"), project_name=PROJECT
    )
    assert (masked.version_type, masked.version_number) == ("mask", None)
    assert [p.prompt for p in sdk.get_prompt_history("rubric")] == ["one"]
    with prompt_mask_context({str(prompt.__internal_api__prompt_id__): str(masked.id)}):
        found = sdk.get_prompt("rubric", no_cache=True)
    assert found is not None
    assert found.prompt == "masked"


def test_a_version_is_restored_as_a_new_one(sdk: opik.Opik) -> None:
    first = sdk.create_prompt("rubric", "one")
    sdk.create_prompt("rubric", "two")
    rest = sdk.rest_client.prompts
    restored = rest.restore_prompt_version(str(first.__internal_api__prompt_id__), str(first.version_id))
    assert (restored.version_number, restored.template) == ("v3", "one")
    assert restored.change_description == f"Restored from version {first.commit}"
    by_number = rest.get_prompt_version_by_number(str(first.__internal_api__prompt_id__), "v2")
    assert by_number.template == "two"
    by_commit = rest.get_prompt_by_commit(str(first.commit))
    assert by_commit.requested_version is not None
    assert by_commit.requested_version.template == "one"
    (link,) = rest.get_prompts_by_commits(commits=[str(first.commit), "00000000"])
    assert (link.prompt_name, link.prompt_version_id) == ("rubric", first.version_id)
    assert [v.id for v in rest.retrieve_prompt_versions_by_ids(ids=[str(first.version_id), uid("no")])] == [
        first.version_id
    ]


def test_a_deleted_prompt_is_gone_with_its_versions_and_a_renamed_one_keeps_them(
    sdk: opik.Opik, server: EmbeddedOpik
) -> None:
    prompt = sdk.create_prompt("rubric", "one")
    sdk.create_prompt("rubric", "two")
    identifier = str(prompt.__internal_api__prompt_id__)
    sdk.rest_client.prompts.update_prompt(identifier, name="renamed", description="d", tags=["t"])
    assert sdk.get_prompt("rubric", no_cache=True) is None
    assert [p.prompt for p in sdk.get_prompt_history("renamed")] == ["two", "one"]
    sdk.rest_client.prompts.delete_prompt(identifier)
    assert sdk.get_prompt("renamed", no_cache=True) is None
    assert server.app.state.rows_written["prompt_versions", "deleted"] == 2
    with pytest.raises(ApiError) as gone:
        sdk.rest_client.prompts.get_prompt_version_by_id(str(prompt.version_id))
    assert gone.value.status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("prompts", {"name": ""}, 422),
        ("prompts", {"name": "p", "id": "11111111-1111-4111-8111-111111111111"}, 400),
        ("prompts", {"name": "p", "type": "smoke"}, 400),
        ("prompts", {"name": "p", "template": "t", "project_id": uid("no")}, 404),
        ("prompts/versions", {"name": "p", "version": {"template": " "}}, 422),
        ("prompts/versions", {"name": "p", "version": {"template": "t", "commit": "nothex!!"}}, 422),
        ("prompts/versions/retrieve", {"name": "p"}, 404),
        ("environments", {"name": ""}, 422),
    ],
)
def test_what_is_no_prompt_is_refused(server: EmbeddedOpik, path: str, body: object, status: int) -> None:
    assert httpx.post(f"{server.url}/v1/private/{path}", json=body).status_code == status
    assert json.loads(httpx.get(f"{server.url}/v1/private/prompts").text)["total"] == 0


@pytest.mark.parametrize(
    ("template", "kind", "names"),
    [
        ("{{a}} {{{ b }}} {{#c}}{{d.e}}{{/c}} {{a}}", "mustache", ["a", "b", "c", "d.e"]),
        ("{% for x in xs %}{{ x }}{% endfor %}{{ y | upper }}", "jinja2", ["xs", "y"]),
        ("{% for", "jinja2", None),
        ("{a}", "python", None),
        ("none", "mustache", []),
    ],
)
def test_the_variables_of_a_template_are_named(template: str, kind: str, names: list[str] | None) -> None:
    assert prompt_variables.names(template, kind) == names
