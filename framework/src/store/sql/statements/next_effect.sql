SELECT min(not_before)
FROM annals_effects e
WHERE saga = ?1 AND parked IS NULL AND NOT EXISTS (
    SELECT 1 FROM annals_effects older
    WHERE older.saga = e.saga AND older.saga_id = e.saga_id AND older.number < e.number
)
