"""What the file of a proposed change holds now, for a reviewer who looks at the change."""

from pathlib import Path

from mixus.agents.tools import folder
from mixus.agents.tools.registry import ToolFailed
from mixus.core.database import Row, Transaction
from mixus.evals import workspace
from mixus.evals.lifecycle import Area, Environment
from mixus.evals.tasks import Place


def content(tx: Transaction, execution: Row, root: Path | None, path: str) -> bytes | None:
    """As the tools for files would find it; None where there is none. Raises ToolFailed with the reason.

    In the sandbox the execution's own copy lies over the folder, in `live` the folder over the copy.
    """
    own = workspace.find(tx, execution["id"], Place(Area.FILES, path))
    if own is not None and execution["environment"] is Environment.SANDBOX:
        return own[0]
    try:
        original = folder.read(root, path) if root else None
    except OSError as away:
        raise ToolFailed(f"{path} cannot be read: the folder for files is away.") from away
    return own[0] if original is None and own is not None else original
