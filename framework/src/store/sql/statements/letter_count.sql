SELECT
    (SELECT count(*) FROM (
        SELECT DISTINCT component, sequence FROM annals_dead_letters WHERE tenant = ?1 AND processor = ?2 AND state < 2
    ) held),
    (SELECT count(*) FROM annals_dead_letters WHERE tenant = ?1 AND processor = ?2 AND state < 2),
    (SELECT count(*) FROM annals_dead_letters WHERE tenant = ?1 AND processor = ?2 AND state = 1),
    (SELECT count(*) FROM annals_dead_letters WHERE tenant = ?1 AND processor = ?2 AND state = 2)
