"""What each role may do, in one sentence."""

from typing import Final

from mixus.accounts.principal import Role

MAY: Final = {
    Role.ADMIN: "Does everything: people, everybody's keys, the audit, and decisions in place of a reviewer.",
    Role.MEMBER: "Runs evaluations, decides where he is the reviewer, and makes API keys.",
    Role.VIEWER: "Sees every evaluation on the pages and decides nothing; makes keys that only read.",
}
