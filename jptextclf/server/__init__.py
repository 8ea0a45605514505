"""Runs behind HTTP: ``jptextclf serve``.

Start reading here: what a request goes through stands in :mod:`~jptextclf.server.app`; how texts of many requests become one
batch in :mod:`~jptextclf.server.batching`; what is refused in :mod:`~jptextclf.server.limits` and
:mod:`~jptextclf.server.bodies`; models and how another bundle takes their place in :mod:`~jptextclf.server.models`; sockets,
signals and slow senders in :mod:`~jptextclf.server.running`. The document at ``/openapi.json`` is
:mod:`~jptextclf.server.openapi`.
"""
