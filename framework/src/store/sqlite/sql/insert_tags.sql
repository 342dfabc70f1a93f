-- ?1 [[tenant, tag, position, visibility]].
INSERT OR IGNORE INTO annals_tags (tenant, tag, position, visibility)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)
