"""How gunicorn runs Portico: `gunicorn -c FILE`, with this file. Flags of the command line win over it.

It stands outside the package `app`: a reload (SIGHUP) starts workers that read the code anew, and what the
master process had imported would stay old in them.

Who sends a body slowly keeps one of the threads for as long as they like, and gunicorn has no limit for that:
the proxy in front has to read requests whole before it hands them on, as `nginx.conf` beside this file does.
"""

import os

wsgi_app = "wsgi:app"

#: Threads wait for PortOne most of the time; each has a connection to the database while it works.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8

#: A refund waits 65 s for PortOne at most. Whatever is shorter would cut it in half at a stop or a restart;
#: what is cut all the same is settled by the worker, with the same idempotency key.
timeout = 90
graceful_timeout = 90

#: The longest address holds a search and an id; a header holds a cookie of ours and what proxies add.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

#: Nothing but signals steers the server.
control_socket_disable = True
