//! Arrow columns into the engine's columns.

/// Arrow field metadata: how a String column holds JSON, `json_map` or `json_array`, as `as` in the config.
pub const AS_KEY: &str = "muster.as";
/// Arrow field metadata: the column's Muster type where Parquet has none for it, as `type` in the config.
pub const TYPE_KEY: &str = "muster.type";
