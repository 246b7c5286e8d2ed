//! Users into Arrow columns: the schema of `user_features` and one record batch of it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::holdings::{Vocabulary, wallets};
use super::json::TextBuilder;
use super::random::Random;
use super::user::{Frame, PROOFS, PROOFS_WITHOUT_EXPIRY, User};
use crate::columns::{AS_KEY, TYPE_KEY};

/// The columns as they are collected, in the table's order.
struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    fn push(&mut self, name: &str, array: ArrayRef, nullable: bool, meta: Option<(&str, &str)>) {
        let metadata: HashMap<String, String> =
            meta.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
        self.fields.push(Field::new(name, array.data_type().clone(), nullable).with_metadata(metadata));
        self.arrays.push(array);
    }

    fn bools(&mut self, name: &str, mut values: BooleanBufferBuilder) {
        self.push(name, Arc::new(BooleanArray::new(values.finish(), None)), false, None);
    }

    /// Parquet has no whole-second times, so they travel as milliseconds and the field says what they are.
    fn times(&mut self, name: &str, seconds: Vec<i64>, nulls: Option<NullBuffer>) {
        let nullable = nulls.is_some();
        let millis: Vec<i64> = seconds.into_iter().map(|s| s * 1000).collect();
        let array = TimestampMillisecondArray::new(millis.into(), nulls).with_timezone("UTC");
        self.push(name, Arc::new(array), nullable, Some((TYPE_KEY, "DateTime")));
    }

    fn text(
        &mut self,
        name: &str,
        text: TextBuilder,
        nulls: Option<NullBuffer>,
        read_as: Option<&str>,
    ) -> Result<(), ArrowError> {
        let nullable = nulls.is_some();
        let (bytes, ends) = text.into_parts();
        let array = StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(bytes), nulls)?;
        self.push(name, Arc::new(array), nullable, read_as.map(|value| (AS_KEY, value)));
        Ok(())
    }
}

/// The schema every batch has.
pub(crate) fn schema(vocabulary: &Vocabulary) -> Result<SchemaRef, ArrowError> {
    let frame = Frame { users: 1, seed: 0, reference: super::DEFAULT_REFERENCE };
    Ok(batch(&frame, vocabulary, 0..0)?.schema())
}

/// The users of this range of indexes.
pub(crate) fn batch(
    frame: &Frame,
    vocabulary: &Vocabulary,
    indexes: std::ops::Range<u64>,
) -> Result<RecordBatch, ArrowError> {
    let rows = (indexes.end - indexes.start) as usize;
    let bits = || BooleanBufferBuilder::new(rows);
    let numbers = || Vec::<u32>::with_capacity(rows);
    let times = || Vec::<i64>::with_capacity(rows);
    let texts = || TextBuilder::new(rows);

    let mut user_ids = Vec::<u64>::with_capacity(rows);
    let (mut registered, mut active, mut updated) = (times(), times(), times());
    let (mut country, mut source) = (texts(), texts());
    let mut bound = std::array::from_fn::<_, 4, _>(|_| bits());
    let mut wallet_counts = Vec::<u8>::with_capacity(rows);
    let mut proofs = std::array::from_fn::<_, 10, _>(|_| bits());
    let mut expiries = std::array::from_fn::<_, 6, _>(|_| (times(), bits()));
    let (mut on_chain, mut prefers) = (bits(), bits());
    let mut first_activity = times();
    let mut tx_counts = numbers();
    let (mut balances, mut tx_values) = (Vec::<f64>::with_capacity(rows), Vec::<f64>::with_capacity(rows));
    let (mut erc20, mut native, mut chains, mut addresses) = (texts(), texts(), texts(), texts());
    let mut scores = std::array::from_fn::<_, 3, _>(|_| Vec::<u8>::with_capacity(rows));
    let mut warned = bits();
    let mut patterns = std::array::from_fn::<_, 4, _>(|_| bits());
    let mut behaviour = std::array::from_fn::<_, 6, _>(|_| numbers());
    let mut communities = Vec::<u16>::with_capacity(rows);
    let mut task_types = texts();

    for index in indexes {
        let mut random = Random::new(frame.seed, 0, index);
        let user = User::draw(frame, index, &mut random);
        user_ids.push(user.id);
        registered.push(user.register_time);
        active.push(user.last_active_time);
        updated.push(user.data_update_time);
        // Some users could not be located: the column is not nullable, so they have the empty text.
        country.push(if random.chance(0.015) { b"" } else { vocabulary.countries.pick(&mut random) });
        source.push(vocabulary.sources.pick(&mut random));
        append(&mut bound, user.bound);
        wallet_counts.push(user.wallet_count);
        append(&mut proofs, user.proofs);
        for ((values, present), expiry) in expiries.iter_mut().zip(user.expiries) {
            values.push(expiry.unwrap_or(0));
            present.append(expiry.is_some());
        }
        on_chain.append(user.chain.is_some());
        if let Some(chain) = &user.chain {
            first_activity.push(chain.first_activity_time);
            tx_counts.push(chain.tx_count);
            balances.push(chain.balance_usd);
            tx_values.push(chain.tx_value_usd);
            for (column, score) in scores.iter_mut().zip(chain.scores) {
                column.push(score);
            }
            vocabulary.erc20(&user, &mut random, &mut erc20);
            vocabulary.native(&user, &mut random, &mut native);
            vocabulary.chains(&user, &mut random, &mut chains);
            wallets(&user, &mut random, &mut addresses);
        } else {
            first_activity.push(0);
            tx_counts.push(0);
            balances.push(0.0);
            tx_values.push(0.0);
            for column in &mut scores {
                column.push(0);
            }
            for column in [&mut erc20, &mut native, &mut chains, &mut addresses] {
                column.end_value();
            }
        }
        warned.append(user.bot_warning);
        append(&mut patterns, user.patterns);
        let counts = [
            user.actions_total,
            user.actions_30d,
            user.actions_7d,
            user.quests_total,
            user.tasks_total,
            user.quests_completed,
        ];
        for (column, count) in behaviour.iter_mut().zip(counts) {
            column.push(count);
        }
        communities.push(user.communities);
        // Preferences are only known of users who completed something.
        let known = user.quests_completed > 0 && random.chance(0.9);
        prefers.append(known);
        if known {
            vocabulary.task_types(&mut random, &mut task_types);
        } else {
            task_types.end_value();
        }
    }

    let mut out = Columns { fields: Vec::new(), arrays: Vec::new() };
    let chain_nulls = NullBuffer::new(on_chain.finish());
    let chain = || Some(chain_nulls.clone());
    out.push("user_id", Arc::new(UInt64Array::from(user_ids)), false, None);
    out.times("register_time", registered, None);
    out.times("last_active_time", active, None);
    out.text("country", country, None, None)?;
    for (name, values) in
        ["twitter_bound", "discord_bound", "telegram_bound", "email_bound"].iter().zip(bound)
    {
        out.bools(name, values);
    }
    out.push("wallet_count", Arc::new(UInt8Array::from(wallet_counts)), false, None);
    for (name, values) in PROOFS.iter().zip(proofs) {
        out.bools(name, values);
    }
    for (name, (values, mut present)) in PROOFS[PROOFS_WITHOUT_EXPIRY..].iter().zip(expiries) {
        let column = format!("{}_expire_time", name.trim_start_matches("has_"));
        out.times(&column, values, Some(NullBuffer::new(present.finish())));
    }
    out.times("first_activity_time", first_activity, chain());
    out.push("total_tx_count", Arc::new(UInt32Array::new(tx_counts.into(), chain())), true, None);
    out.push("balance_usd", Arc::new(Float64Array::new(balances.into(), chain())), true, None);
    out.push("total_tx_value_usd", Arc::new(Float64Array::new(tx_values.into(), chain())), true, None);
    out.text("erc20_token_holdings", erc20, chain(), Some("json_map"))?;
    out.text("native_token_holdings", native, chain(), Some("json_map"))?;
    out.text("active_chains", chains, chain(), Some("json_array"))?;
    out.text("associated_wallets", addresses, chain(), Some("json_array"))?;
    let score_names = ["thirdwave_wallet_score", "nft_holder_score", "onchain_participation_score"];
    for (name, values) in score_names.iter().zip(scores) {
        out.push(name, Arc::new(UInt8Array::new(values.into(), chain())), true, None);
    }
    out.bools("bot_warning", warned);
    let pattern_names = ["high_velocity", "timed", "continuous", "funding_network"];
    for (name, values) in pattern_names.iter().zip(patterns) {
        out.bools(&format!("transaction_pattern_{name}"), values);
    }
    let behaviour_names = [
        "onchain_action_total",
        "onchain_action_30d",
        "onchain_action_7d",
        "onchain_quest_total",
        "onchain_task_total",
        "quest_completed",
    ];
    for (name, values) in behaviour_names.iter().zip(behaviour) {
        out.push(name, Arc::new(UInt32Array::from(values)), false, None);
    }
    out.push("community_count", Arc::new(UInt16Array::from(communities)), false, None);
    let prefers: BooleanBuffer = prefers.finish();
    out.text("preferred_task_types", task_types, Some(NullBuffer::new(prefers)), Some("json_array"))?;
    out.times("data_update_time", updated, None);
    out.text("data_source", source, None, None)?;
    RecordBatch::try_new(Arc::new(Schema::new(out.fields)), out.arrays)
}

fn append<const N: usize>(columns: &mut [BooleanBufferBuilder; N], values: [bool; N]) {
    for (column, value) in columns.iter_mut().zip(values) {
        column.append(value);
    }
}

/// Whether dictionary encoding pays for this column: few distinct values for its rows.
pub(crate) fn has_few_values(field: &Field) -> bool {
    const TEXTS: [&str; 4] = ["country", "data_source", "active_chains", "preferred_task_types"];
    match field.data_type() {
        DataType::UInt8 | DataType::UInt16 => true,
        DataType::Utf8 => TEXTS.contains(&field.name().as_str()),
        _ => false,
    }
}
