"""`application` for any WSGI server that runs one process; `webmon serve` brings its own."""

import atexit

from webmon import server
from webmon.app import create_wsgi

application = server.start(create_wsgi)
atexit.register(server.stop)
