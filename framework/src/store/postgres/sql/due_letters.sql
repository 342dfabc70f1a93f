-- The subquery gives a value, so that it is looked up for each row: NOT EXISTS may be joined with all rows of the table.
SELECT tenant, processor, position, place, component, sequence, event, stream, attempts, state, retry_at, error, since
FROM annals_dead_letters l
WHERE tenant = $1 AND processor = $2 AND state = 0 AND retry_at <= $3 AND (
    SELECT older.place FROM annals_dead_letters older
    WHERE older.tenant = l.tenant AND older.processor = l.processor AND left(older.sequence, 200) = left(l.sequence, 200) AND older.sequence = l.sequence
        AND older.component = l.component AND older.state < 2
        AND (older.position < l.position OR (older.position = l.position AND older.place < l.place))
    LIMIT 1
) IS NULL
ORDER BY retry_at, position, place LIMIT $4
