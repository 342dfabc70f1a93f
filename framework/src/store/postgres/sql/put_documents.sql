-- $1 [[tenant, view, version, key, revision, body as text, body in hexadecimal, revision before]]. Transactions of
-- handlers write documents too, and do not wait for the append lock.
SELECT annals_put_documents($1::text::jsonb)
