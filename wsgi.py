"""`application` for any WSGI server that runs one process; `webmon serve` brings its own."""

import atexit

from webmon import server

application = server.start()
atexit.register(server.stop)
