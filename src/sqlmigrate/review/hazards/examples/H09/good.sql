-- transactional: false

ALTER TABLE measures DETACH PARTITION measures_2024 CONCURRENTLY;
