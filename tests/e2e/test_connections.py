"""The service opens no connection outward except to what the admin configured."""

from e2e.deployment import Deployment
from e2e.provider import Provider

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
