"""The service opens no connection outward except to what the admin configured."""

from e2e.deployment import Deployment
from e2e.provider import Provider
from e2e.target import web_target
from smtp import receiver as mail_receiver

TASK = "Calculate 15% of $50,000, then e-mail the result to pay@example.org."


def test_a_rehearsal_connects_to_nobody(deployment: Deployment) -> None:
    client = deployment.serve()
    execution = client.create_task_agent(TASK).execution_id
    status = client.wait(execution, timeout_seconds=60)
    checkpoint = status.awaiting[0]
    client.decide(execution, checkpoint.checkpoint_id, "approve", attempt=checkpoint.attempt)
    assert client.wait(execution, until="final", timeout_seconds=60).status == "completed"
    assert deployment.connections == set()


def test_a_model_is_asked_where_its_provider_is_configured_and_nowhere_else(
    deployment: Deployment, provider: Provider
) -> None:
    deployment.variables = provider.variables
    provider.answers.set()
    client = deployment.serve()
    execution = client.create_task_agent("What is 2 + 2?", model="openai-chat:gpt-4o").execution_id
    assert client.wait(execution, until="final", timeout_seconds=60).status == "completed"
    assert deployment.connections == {provider.place}


def test_live_tools_connect_to_the_receivers_that_are_configured_and_nowhere_else(
    deployment: Deployment,
) -> None:
    """Mail and HTTP are handed in, the page is read; a host that is not listed is not even looked up."""
    with mail_receiver() as mail, web_target() as target:
        deployment.variables = {
            "MIXUS_LIVE_TOOLS": "send_email,http_request",
            "MIXUS_HTTP_HOSTS": target.place,
            "MIXUS_WEB_HOSTS": target.place,
            "MIXUS_SMTP_URL": mail.url(),
            "MIXUS_MAIL_FROM": "mixus@example.org",
        }
        client = deployment.serve()
        execution = client.create_task_agent(
            "Do all of it.", model="script", script=calls(target.place), environment="live"
        ).execution_id
        status = client.wait(execution, timeout_seconds=60)
        while status.awaiting:
            deployment.approve(status)
            status = client.wait(execution, timeout_seconds=60)
        assert (status.status, len(mail.received), sum(target.bodies.values())) == ("completed", 1, 1)
        assert deployment.connections == {target.place, mail.url().removeprefix("smtp://")}


def calls(place: str) -> list[dict[str, object]]:
    return [
        {"tool": "web_fetch", "arguments": {"url": f"http://{place}/"}},
        {"tool": "web_fetch", "arguments": {"url": "https://elsewhere.example.org/"}},
        {"tool": "http_request", "arguments": {"method": "POST", "url": f"http://{place}/", "body": "b"}},
        {"tool": "http_request", "arguments": {"method": "POST", "url": "http://192.0.2.1/", "body": "b"}},
        {"tool": "send_email", "arguments": {"to": ["a@example.org"], "subject": "s", "body": "b"}},
        {"final": "done"},
    ]
