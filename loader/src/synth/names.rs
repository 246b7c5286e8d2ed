//! The words a population is made of: countries, tokens, chains, task types, each list most common first.

/// ISO 3166-1 alpha-2 codes, from where such a platform's users come most to where they come least.
pub(crate) const COUNTRIES: &str = "\
    CN IN VN NG ID RU US UA TR BR PH BD PK KR JP TH MY GB DE FR TW HK SG CA AU ES IT PL NL AE \
    EG MA DZ KE GH ZA IR SA KZ UZ AR MX CO VE PE CL RO CZ PT GR HU SE CH AT BE BG RS BY GE AM \
    AZ LK NP MM KH LA MN IQ IL JO LB KW QA OM BH YE SY TN LY SD ET TZ UG RW CM CI SN ML BF BJ \
    TG NE TD GA CG CD AO ZM ZW MW MZ MG BW NA LS SZ MU SC CV GM GN GW SL LR MR SO DJ ER SS CF \
    GQ ST KM BI IE DK NO FI IS EE LV LT SK SI HR BA ME MK AL MD CY MT LU LI MC AD SM VA XK EC \
    BO PY UY GY SR CR PA GT HN SV NI DO CU HT JM TT BB BS BZ GD LC VC AG DM KN PR NZ FJ PG SB \
    VU WS TO KI TV NR PW FM MH BN TL BT MV AF TJ TM KG KP PS MO GI FO GL IM JE GG AX SJ BM KY \
    VG VI AI MS TC AW CW SX BQ GP MQ GF RE YT BL MF PM NC PF WF CK NU TK AS GU MP NF CX CC SH \
    FK GS PN IO AQ BV HM TF UM EH";

/// ERC-20 symbols everybody knows, most held first. [`tokens`] appends the long tail.
const KNOWN_TOKENS: &str = "\
    USDT USDC WETH DAI SHIB PEPE LINK UNI WBTC ARB MATIC OP LDO APE BLUR AAVE CRV MKR SNX GRT \
    SUSHI COMP ENS IMX SAND MANA AXS FLOKI BONE LEASH DYDX GMX RPL FXS FRAX LUSD TUSD BUSD USDP GUSD \
    STETH RETH CBETH WSTETH EETH WEETH EZETH ENA ETHFI EIGEN ZRO STRK ZK MANTA BLAST SCR TAIKO MODE LINEA \
    WLD ONDO PENDLE JASMY CHZ GALA ILV YGG SLP ALICE TLM HIGH RNDR FET AGIX OCEAN TAO NMR LPT \
    BAT ZRX KNC BNT REN OMG LRC STORJ ANT MLN BAL YFI UMA BADGER ALCX SPELL CVX MIM TRIBE FEI \
    RARI PERP INJ ANKR CELR SKL NKN CTSI POLY MASK AUDIO RARE SUPER WOO HOT ENJ CHR ELON KISHU \
    DOGE BTT SXP TWT CAKE XVS BAKE AUTO BIFI QUICK GHST AAVEGOTCHI MAGIC GNS RDNT JONES PLS VELO \
    AERO BRETT DEGEN TOSHI MOG TURBO WOJAK LADYS BOB AIDOGE NEIRO SPX HPOS GROK ANDY MEME PORK APU \
    BITCOIN BEAM PRIME PIXEL XAI RON PORTAL ACE NFP MAVIA PYTH W TNSR AEVO SAFE OMNI REZ BB";

const TAIL_PREFIXES: &str = "\
    BABY MOON SAFE META GOLD DARK KING TINY MEGA ULTRA NEO PIXEL LUNA STAR FIRE ICE CYBER LUCKY HAPPY \
    LAZY ANGRY SUPER HYPER TURBO ZEN DEFI DAO AI GIGA BASED WILD SPACE OCEAN SOLAR NOVA ALPHA OMEGA X Z Q";

const TAIL_STEMS: &str = "\
    INU DOGE CAT FROG BEAR BULL APE FOX WOLF LION SHARK WHALE PANDA KOALA DUCK HAMSTER OTTER SLOTH LLAMA \
    DRAGON PHOENIX UNICORN GOBLIN ELF WIZARD KNIGHT NINJA PIRATE ROBOT ALIEN GHOST ZOMBIE CHAD WAIFU SENSEI \
    COIN CASH BUCK GEM ROCK STONE IRON STEEL CHAIN BLOCK NODE HASH BYTE BIT WAVE FLOW LINK SWAP POOL FARM \
    YIELD VAULT BANK LEND BOND SHARE INDEX HEDGE FUND TRADE PAY SEND DROP MINT BURN LOCK KEY GATE PORT DOCK \
    BRIDGE ROAD MAP CITY LAND WORLD REALM QUEST GAME PLAY CARD DICE RACE CUP BALL GOAL TEAM CLUB FAN ART \
    SONG BEAT TUNE FILM SHOW FOOD PIZZA TACO SUSHI RAMEN BURGER CAKE COOKIE";

/// Native tokens, most held first.
pub(crate) const NATIVE_TOKENS: &str = "\
    ETH BNB POL SOL AVAX TRX BTC APT SUI TON FTM CELO GLMR ONE KLAY CRO METIS NEAR ATOM DOT ADA XRP KCS OKT \
    MNT CORE SEI EOS XTZ ALGO";

/// Chains a wallet can be active on, most used first. At most 32: a user's chains are drawn as a bit mask.
pub(crate) const CHAINS: &str = "\
    ethereum bsc polygon arbitrum base optimism solana avalanche zksync linea scroll blast fantom tron manta \
    mantle starknet opbnb sui aptos ton zora mode taiko celo gnosis moonbeam klaytn cronos metis sei berachain";

/// Kinds of tasks users prefer, most common first. At most 32, as above.
pub(crate) const TASK_TYPES: &str = "\
    twitter_follow twitter_retweet discord_join telegram_join visit_page quiz swap bridge mint_nft daily_checkin \
    provide_liquidity stake hold_token refer_friend vote deploy_contract play_game watch_video survey ama";

/// Where rows come from, most common first.
pub(crate) const DATA_SOURCES: &str = "wide_table chain_sync backfill manual_fix";

/// Every token symbol, most held first: the known ones, then a tail of `prefix + stem`.
pub(crate) fn tokens() -> Vec<String> {
    let mut names: Vec<String> = KNOWN_TOKENS.split_whitespace().map(str::to_owned).collect();
    // Stems outside, prefixes inside: neighbours in rank then share no prefix, as in life.
    for stem in TAIL_STEMS.split_whitespace() {
        names.extend(TAIL_PREFIXES.split_whitespace().map(|prefix| format!("{prefix}{stem}")));
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct(words: &str) -> usize {
        words.split_whitespace().collect::<std::collections::HashSet<_>>().len()
    }

    #[test]
    fn lists_have_no_duplicates_and_fit_their_use() {
        assert!(distinct(COUNTRIES) > 240);
        for words in [COUNTRIES, NATIVE_TOKENS, CHAINS, TASK_TYPES, DATA_SOURCES] {
            assert_eq!(distinct(words), words.split_whitespace().count());
        }
        assert!(distinct(CHAINS) <= 32 && distinct(TASK_TYPES) <= 32);
        assert!(COUNTRIES.split_whitespace().all(|code| code.len() == 2));
    }

    #[test]
    fn there_are_several_thousand_tokens() {
        let tokens = tokens();
        assert!(tokens.len() > 4000, "{}", tokens.len());
        // They go into JSON unescaped.
        assert!(tokens.iter().all(|name| name.bytes().all(|b| b.is_ascii_alphanumeric())));
    }
}
