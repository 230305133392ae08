"""The fixed wordings that the runner and the models agree on."""

from typing import Final

HINT_PREFIX: Final = "Reviewer hint: "
NOT_PERFORMED: Final = "Not performed:"
REMINDER: Final = "Call a tool, or answer in plain text."
EDITED: Final = "The reviewer changed the arguments of this call before it ran; what ran stands in the call."
CUT_REMINDER: Final = "Your answer was cut off at the length limit; answer again, shorter."
PLAN_REMINDER: Final = "Call `plan` first, and nothing else."
