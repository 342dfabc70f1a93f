SELECT DISTINCT sequence
FROM annals_dead_letters
WHERE processor = ?1 AND sequence IN (SELECT value FROM json_each(?2))
