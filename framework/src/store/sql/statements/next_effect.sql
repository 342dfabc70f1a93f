SELECT not_before
FROM annals_effects e
WHERE tenant = ?1 AND saga = ?2 AND (slice & ?3) = ?4 AND parked IS NULL AND (
    SELECT older.number FROM annals_effects older
    WHERE older.tenant = e.tenant AND older.saga = e.saga AND older.saga_id = e.saga_id AND older.number < e.number
        AND (older.together <> e.together OR e.together = 0)
    ORDER BY older.number LIMIT 1
) IS NULL
ORDER BY not_before, place LIMIT 1
