"""For people who come from yoyo or keep its command: the plug-in `backend`, and the `exchange` of histories."""
