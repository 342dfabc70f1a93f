-- ?3 [[key, value]], ?4 [id].
SELECT a.saga_id
FROM json_each(?3) q
CROSS JOIN annals_associations a
    ON a.tenant = ?1 AND a.saga = ?2 AND a.association_key = q.value ->> 0 AND a.association_value = q.value ->> 1
UNION
SELECT unhex(value) FROM json_each(?4)
