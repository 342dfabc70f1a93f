-- Under READ COMMITTED no row can be locked that is not there: whoever schedules under a name waits here until the transaction
-- ends, and then sees what it has written.
SELECT segment FROM annals_segments
WHERE tenant = ?1 AND processor = CONCAT('saga:', ?2) AND ?3 IS NOT NULL
FOR UPDATE
