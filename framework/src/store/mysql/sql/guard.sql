-- Nobody can claim the processor before the transaction ends.
SELECT 1 FROM annals_tokens WHERE tenant = ?1 AND processor = ?2 AND fence = ?3 FOR UPDATE
