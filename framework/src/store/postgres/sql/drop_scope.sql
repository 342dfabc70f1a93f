DELETE FROM annals_effects
WHERE tenant = $1 AND saga = $2 AND left(scope, 200) = left($3, 200) AND scope = $3
