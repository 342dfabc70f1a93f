-- ?4 events before this version are hidden, ?5 the visibility of the others.
UPDATE annals_events
SET visibility = CASE WHEN version < ?4 THEN 2 ELSE ?5 END
WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3
    AND visibility <> CASE WHEN version < ?4 THEN 2 ELSE ?5 END
