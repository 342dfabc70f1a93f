-- The row stays as it is until the transaction ends: whoever claims the processor waits for it.
SELECT 1 FROM annals_tokens WHERE tenant = $1 AND processor = $2 AND fence = $3 FOR SHARE
