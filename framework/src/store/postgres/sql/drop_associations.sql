-- $4 [[key, value]]: those that stay.
DELETE FROM annals_associations
WHERE tenant = $1 AND saga = $2 AND saga_id = $3
    AND (association_key, association_value) NOT IN (
        SELECT value ->> 0, value ->> 1 FROM jsonb_array_elements($4::text::jsonb)
    )
