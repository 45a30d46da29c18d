-- the users of another team are no business of this table; their ids are kept as values
CREATE TABLE avatars (
    user_id bigint PRIMARY KEY
);
