CREATE TABLE avatars (
    user_id bigint PRIMARY KEY REFERENCES users (id)
);
