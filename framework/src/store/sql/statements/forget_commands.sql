DELETE FROM annals_commands
WHERE recorded_at < ?1 AND NOT EXISTS (
    SELECT 1 FROM annals_effects e
    WHERE e.tenant = annals_commands.tenant AND e.command_id = annals_commands.command_id
)
