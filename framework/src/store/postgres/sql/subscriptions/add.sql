INSERT INTO annals_subscriptions (tenant, name, generation, revision, settings, position, number, replaying, consumers)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (tenant, name) DO NOTHING
