-- Undo of 20260301_agent_baseline: removes the agent tables WITH ALL THEIR ROWS
--
-- There is no archive: take a backup first. Schema auth, its users and the roles stay.
--
-- Runs as: the role that owns the tables and the function. It need not own auth.users.
-- Locks:   ACCESS EXCLUSIVE on auth.users from section 1 until commit: sign-ups and sign-ins wait. Nothing
--          is rewritten or scanned, so this lasts milliseconds once the lock is there.
-- Server:  PostgreSQL 14 to 18.


-- ---------------------------------------------------------------------------------------------------------
-- 1. Signing up makes no profile any more
-- ---------------------------------------------------------------------------------------------------------
-- CASCADE takes the trigger on auth.users along, which only the table's owner could drop by name. It comes
-- first because a sign-up also locks auth.users first: so the two wait for each other in turn, not in a ring.

DROP FUNCTION public.create_profile_for_new_user() CASCADE;


-- ---------------------------------------------------------------------------------------------------------
-- 2. The tables
-- ---------------------------------------------------------------------------------------------------------
-- Each one before those that it points to. Policies, indexes and constraints go along. Without CASCADE: a
-- view or a foreign key that somebody has added since stops the script here, and nothing is lost.

DROP TABLE public.memories;

DROP TABLE public.user_agents;

DROP TABLE public.user_agent_catalog;

DROP TABLE public.profiles;

DROP TABLE public.llms;
