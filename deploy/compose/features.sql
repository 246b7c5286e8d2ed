-- A table of a million users for the first look: what a nightly table looks like, small. Run once, when ClickHouse starts empty.
CREATE TABLE IF NOT EXISTS user_features
(
    user_id UInt64,
    country LowCardinality(Nullable(String)),
    has_poh Bool,
    bot_warning Bool,
    balance_usd Nullable(Float64),
    quest_completed UInt32,
    last_active_time DateTime('UTC'),
    active_chains Array(String),
    erc20_token_holdings Map(String, Float64)
)
ENGINE = ReplacingMergeTree
ORDER BY user_id;

INSERT INTO user_features
SELECT
    1000000 + number AS user_id,
    ['US', 'VN', 'NG', 'IN', 'DE', 'BR', NULL][1 + (sipHash64(number, 'country') % 7)] AS country,
    sipHash64(number, 'poh') % 5 = 0 AS has_poh,
    sipHash64(number, 'bot') % 20 = 0 AS bot_warning,
    if(sipHash64(number, 'known') % 10 = 0, NULL, round(exp(sipHash64(number, 'balance') % 1200 / 100), 2)) AS balance_usd,
    sipHash64(number, 'quests') % 40 AS quest_completed,
    toDateTime('2026-11-01 00:00:00', 'UTC') - sipHash64(number, 'active') % 7776000 AS last_active_time,
    arrayFilter(chain -> sipHash64(number, chain) % 3 = 0, ['ethereum', 'solana', 'base', 'bnb']) AS active_chains,
    mapFilter((token, held) -> held > 500, map('USDT', sipHash64(number, 'usdt') % 1000, 'PEPE', sipHash64(number, 'pepe') % 1000))
        AS erc20_token_holdings
FROM numbers(1000000);
