SELECT
    (SELECT count(*) FROM (
        SELECT DISTINCT component, sequence FROM annals_dead_letters WHERE tenant = $1 AND processor = $2 AND state < 2
    ) held),
    (SELECT count(*) FROM annals_dead_letters
     WHERE tenant = $1 AND processor = $2 AND left(sequence, 200) = left($4, 200) AND sequence = $4 AND component = $3 AND state < 2)
