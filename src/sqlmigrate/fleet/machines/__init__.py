"""Orders carried out by workers on other machines, by way of Dask distributed; the only room that imports it.

A `scheduler` hands orders out, a `worker` carries them out where the targets can be reached, and a `crew` is what the
coordinator knows of both. What goes from one to the other is text (`wire`) and the name of a function of ours
(`tasks`): in each of the three, `guard` lets nothing else be made of what comes in.
"""
