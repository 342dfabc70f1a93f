-- ?1 [[tenant, view, version, index, value, key]].
DELETE FROM annals_index_entries
WHERE (tenant, view, view_version, index_name, indexed_value, document_key) IN (
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?1)
)
