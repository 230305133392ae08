"""Which models a page may suggest: those that have a name, of those that may be used here."""

from mixus.agents.catalog import REHEARSAL, SCRIPT, Catalog, is_pattern


def offered_models(catalog: Catalog) -> list[str]:
    """The default first. What an admin allows by a pattern has no names that could be listed."""
    allowed = catalog.rules.allowed if catalog.may_spend else None
    named = sorted(name for name in allowed or () if not is_pattern(name))
    return list(dict.fromkeys([catalog.default_model, *named, REHEARSAL, SCRIPT]))


def patterns(catalog: Catalog) -> list[str]:
    """What else may be typed; empty where a task may name no model of a provider."""
    if not catalog.may_spend:
        return []
    allowed = catalog.rules.allowed
    return ["provider:name"] if allowed is None else sorted(filter(is_pattern, allowed))
