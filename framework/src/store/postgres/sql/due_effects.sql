-- The subquery gives a value, so that it is looked up for each row: NOT EXISTS may be joined with all rows of the table.
SELECT tenant, command_id, saga, saga_id, slice, number, together, kind, name, payload, metadata, step, scope, label, attempts, not_before, parked
FROM annals_effects e
WHERE left(tenant, 512) = $1 AND saga = $2 AND (slice & $3) = $4 AND parked IS NULL AND not_before <= $5 AND (
    SELECT older.number FROM annals_effects older
    WHERE older.tenant = e.tenant AND older.saga = e.saga AND older.saga_id = e.saga_id AND older.number < e.number
        AND (older.together <> e.together OR e.together = 0)
    ORDER BY older.number LIMIT 1
) IS NULL
ORDER BY not_before, place LIMIT $6
