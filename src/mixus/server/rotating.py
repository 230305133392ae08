"""Rotating a key with what this process knows of its successor's use."""

from dataclasses import replace

from mixus.keys import info, rotation
from mixus.keys.info import KeyInfo
from mixus.keys.rotation import Rotation
from mixus.server.deps import Call


def rotate(call: Call, wanted: Rotation) -> tuple[str, KeyInfo]:
    """A successor that was used a moment ago is used, though that may not be written down yet."""
    services = call.services
    successor_id = info.describe(call.tx, wanted.key_id).replaced_by
    is_used = successor_id is not None and services.bookkeeper.last_use(successor_id) is not None
    asked = replace(wanted, is_successor_used=is_used)
    return rotation.rotate(call.tx, services.pepper, asked, call.principal.actor, call.now, services.rules)
