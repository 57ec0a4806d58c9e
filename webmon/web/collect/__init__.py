"""The way in: in front of Flask, because its addresses are asked more than all others.

`POST /api/event` for the snippet and programs, `GET /p.gif` for pages without JavaScript. `door` reads and answers,
`asgi` and `wsgi` bring it to a server.
"""
