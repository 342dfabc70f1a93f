SELECT retry_at
FROM annals_dead_letters l
WHERE tenant = $1 AND processor = $2 AND state = 0 AND (
    SELECT older.place FROM annals_dead_letters older
    WHERE older.tenant = l.tenant AND older.processor = l.processor AND left(older.sequence, 200) = left(l.sequence, 200) AND older.sequence = l.sequence
        AND older.component = l.component AND older.state < 2
        AND (older.position < l.position OR (older.position = l.position AND older.place < l.place))
    LIMIT 1
) IS NULL
ORDER BY retry_at, position, place LIMIT 1
