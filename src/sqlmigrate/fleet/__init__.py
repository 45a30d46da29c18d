"""The same change over many databases, or over many schemas of one.

A target's own history is the truth: what is done there is "bring it to a state under a run id", which may be done twice
and happens once. `coordinator` decides which target is opened when, and knows nothing of databases; `bringing` does one
target; `driving` is between the two. The ledger of a run is a diary that can be lost.
"""
