from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ferrymq import sync


def test_children_use_what_their_parent_made_and_are_told_where_that_cannot_be(url: str, queue: str) -> None:
    script = Path(__file__).with_name("forking.py")
    environment = {**os.environ, "FERRYMQ_URL": url}
    subprocess.run([sys.executable, script, queue], check=True, env=environment, timeout=60)
    with sync.connect(url) as client:
        assert client.admin.get_stats(queues=[queue]).queues[queue].acked == 3
