-- $1 tenant, $2 view, $3 its version, $4 [key], each once and in order, $5 [body]. Arrays, since from JSON the server would take
-- the bodies apart and put them together again. To update those that are there with a join is a fifth faster as long as a
-- view is small: the planner then reads all of it, and does so with a large one too where its statistics are old.
INSERT INTO annals_documents AS d (tenant, view, view_version, document_key, revision, body)
SELECT $1, $2, $3, q.k, 1, q.body
FROM unnest($4::text[], $5::bytea[]) q (k, body)
ON CONFLICT (tenant, view, view_version, document_key) DO UPDATE SET revision = d.revision + 1, body = excluded.body
