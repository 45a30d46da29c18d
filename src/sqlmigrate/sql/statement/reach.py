"""Whether a script reaches beyond its transaction: to other servers, files and programs, or to who listens to it.

What such a script has done stays where a crash of the server takes back what was committed before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.sql.statement.needs import cluster_wide

if TYPE_CHECKING:
    from sqlmigrate.sql.script import Script

SYNCHRONOUS_COMMIT = "synchronous_commit"

# in bodies, literals and comments too: one word too many costs no more than a COMMIT that waits
_WORDS = re.compile(
    r"\b(?:dblink\w*|notify|pg_notify|program|lo_(?:export|import)|pg_file_\w+|http\w*|prepare\s+transaction"
    r"|pg_(?:create|drop|copy)_\w*slot|pg_replication_\w+|pg_(?:terminate|cancel)_backend|pg_reload_conf|pg_rotate_\w+"
    r"|pg_promote|pg_switch_wal|pg_create_restore_point|foreign|server|subscription|copy\b[^;]*?\bto)\b",
    re.IGNORECASE,
)


def may_reach_out(script: Script) -> bool:
    """Tell whether a script may have effects outside its database's transaction; one that is not held in memory may.

    What the functions that it calls do is not seen here.
    """
    return script.text is None or bool(_WORDS.search(script.text)) or bool(cluster_wide(script, blocks=True))


def may_set_synchronous_commit(script: Script) -> bool:
    """Tell whether a script may set synchronous_commit, so that its own word counts; one not held in memory may."""
    return script.text is None or SYNCHRONOUS_COMMIT in script.text.lower()
