-- it is used from the next migration on
ALTER TYPE mood ADD VALUE 'calm';
