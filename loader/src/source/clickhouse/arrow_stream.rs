//! ArrowStream as it arrives: messages into record batches, and the mark at the end.
//!
//! The stream is taken apart here rather than by `arrow_ipc::reader`, which takes a stream that was cut between two
//! messages for a whole one, insists that text is UTF-8, and reserves whatever a message claims to need. Nothing that a
//! server sends may panic here, or reserve more than [`MESSAGE_BYTES_MAX`].

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Endianness, Message, MessageHeader, root_as_message};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::columns::Wanted;

/// What every message begins with.
const CONTINUATION: u32 = 0xFFFF_FFFF;
/// Longest description of a message.
const HEAD_BYTES_MAX: usize = 16 << 20;
/// Longest body of a message, packed or not.
const MESSAGE_BYTES_MAX: usize = 1 << 30;
/// Reserved before anything has arrived.
const RESERVED_BYTES_MAX: usize = 4 << 20;

/// What comes next.
#[derive(Debug)]
enum Next {
    /// Continuation and length.
    Prefix,
    /// The description of a message.
    Head,
    /// Its data.
    Body { head: Vec<u8> },
    /// Nothing: the mark has been seen.
    End,
}

/// A stream being decoded.
#[derive(Debug)]
pub(super) struct ArrowStream {
    wanted: Arc<Vec<Wanted>>,
    next: Next,
    bytes: Vec<u8>,
    needed: usize,
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl ArrowStream {
    pub(super) fn new(wanted: Arc<Vec<Wanted>>) -> Self {
        let dictionaries = HashMap::new();
        Self { wanted, next: Next::Prefix, bytes: Vec::new(), needed: 8, schema: None, dictionaries }
    }

    /// Takes what arrived, and adds the batches that it completes.
    pub(super) fn push(&mut self, mut input: &[u8], out: &mut Vec<RecordBatch>) -> Result<(), String> {
        while !input.is_empty() {
            if matches!(self.next, Next::End) {
                return Err(format!("{} bytes follow the end of the stream", input.len()));
            }
            let taken = input.len().min(self.needed - self.bytes.len());
            self.bytes.extend_from_slice(&input[..taken]);
            input = &input[taken..];
            // A message without a body is complete as soon as it is described.
            while self.bytes.len() == self.needed && !matches!(self.next, Next::End) {
                let bytes = std::mem::take(&mut self.bytes);
                self.step(bytes, out)?;
            }
        }
        Ok(())
    }

    /// That everything is there.
    pub(super) fn finish(&self) -> Result<(), String> {
        match &self.next {
            Next::End => Ok(()),
            Next::Prefix if self.bytes.is_empty() => Err("it ended without the mark of its end".to_owned()),
            _ => Err("it ended in the middle of a message".to_owned()),
        }
    }

    fn step(&mut self, bytes: Vec<u8>, out: &mut Vec<RecordBatch>) -> Result<(), String> {
        match std::mem::replace(&mut self.next, Next::Prefix) {
            Next::Prefix => {
                let word = |at: usize| bytes[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
                if word(0) != CONTINUATION {
                    return Err("what follows is not a message".to_owned());
                }
                match word(4) as usize {
                    0 if self.schema.is_none() => {
                        return Err("it ended before it described its columns".to_owned());
                    }
                    0 => self.next = Next::End,
                    length if length > HEAD_BYTES_MAX => {
                        return Err(format!("a message claims a description of {length} bytes"));
                    }
                    length => self.expect(Next::Head, length),
                }
            }
            Next::Head => {
                let body = message(&bytes)?.bodyLength();
                let length = usize::try_from(body)
                    .ok()
                    .filter(|&length| length <= MESSAGE_BYTES_MAX)
                    .ok_or_else(|| format!("a message claims {body} bytes of data"))?;
                self.expect(Next::Body { head: bytes }, length);
            }
            Next::Body { head } => {
                self.expect(Next::Prefix, 8);
                let decode = AssertUnwindSafe(|| self.decode(&head, bytes));
                out.extend(
                    catch_unwind(decode).unwrap_or_else(|_| Err("a message makes no sense".to_owned()))?,
                );
            }
            Next::End => {}
        }
        Ok(())
    }

    fn expect(&mut self, next: Next, bytes: usize) {
        (self.next, self.needed) = (next, bytes);
        self.bytes.reserve(bytes.min(RESERVED_BYTES_MAX));
    }

    fn decode(&mut self, head: &[u8], body: Vec<u8>) -> Result<Option<RecordBatch>, String> {
        let message = message(head)?;
        let body = Buffer::from_vec(body);
        match message.header_type() {
            MessageHeader::Schema => {
                let schema = message.header_as_schema().ok_or("a message has no header")?;
                if self.schema.is_some() || schema.endianness() != Endianness::Little {
                    return Err("its columns are described twice, or in big-endian".to_owned());
                }
                let schema = try_fb_to_schema(schema).map_err(|error| error.to_string())?;
                self.schema = Some(Arc::new(checked(&schema, &self.wanted)?));
                Ok(None)
            }
            MessageHeader::DictionaryBatch => {
                let batch = message.header_as_dictionary_batch().ok_or("a message has no header")?;
                let data = batch.data().ok_or("a dictionary has no data")?;
                check_claims(data, &body)?;
                let schema =
                    self.schema.as_ref().ok_or("data comes before the description of the columns")?;
                read_dictionary(&body, batch, schema, &mut self.dictionaries, &message.version())
                    .map_err(|error| error.to_string())?;
                Ok(None)
            }
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or("a message has no header")?;
                check_claims(batch, &body)?;
                let schema = self.schema.clone().ok_or("data comes before the description of the columns")?;
                read_record_batch(&body, batch, schema, &self.dictionaries, None, &message.version())
                    .map(Some)
                    .map_err(|error| error.to_string())
            }
            other => Err(format!("a message is a {other:?}, which no query answers with")),
        }
    }
}

fn message(head: &[u8]) -> Result<Message<'_>, String> {
    root_as_message(head).map_err(|error| format!("a message is damaged: {error}"))
}

/// That the columns are those asked for, of types that hold their values; text becomes bytes.
fn checked(schema: &Schema, wanted: &[Wanted]) -> Result<Schema, String> {
    if schema.fields().len() != wanted.len() {
        return Err(format!(
            "it has {} columns where {} were asked for",
            schema.fields().len(),
            wanted.len()
        ));
    }
    let mut fields = Vec::with_capacity(wanted.len());
    for (field, wanted) in schema.fields().iter().zip(wanted) {
        if *field.name() != wanted.label {
            return Err(format!(
                "it has the column `{}` where `{}` was asked for",
                field.name(),
                wanted.label
            ));
        }
        if !wanted.may_arrive_as(field.data_type()) {
            let (name, found) = (&wanted.name, field.data_type());
            return Err(format!(
                "the column `{name}` arrived as {found}, which is not what the server said it is"
            ));
        }
        // Whether it may be NULL is checked with the values.
        fields.push(as_bytes(field).with_nullable(true));
    }
    Ok(Schema::new(fields))
}

/// The field, its texts read as bytes: a String of ClickHouse need not be UTF-8.
fn as_bytes(field: &Field) -> Field {
    field.clone().with_data_type(bytes_of(field.data_type()))
}

fn bytes_of(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8 => DataType::Binary,
        DataType::LargeUtf8 => DataType::LargeBinary,
        DataType::List(item) => DataType::List(as_bytes(item).into()),
        DataType::LargeList(item) => DataType::LargeList(as_bytes(item).into()),
        DataType::Map(entries, sorted) => DataType::Map(as_bytes(entries).into(), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| as_bytes(field)).collect()),
        DataType::Dictionary(key, value) => DataType::Dictionary(key.clone(), Box::new(bytes_of(value))),
        other => other.clone(),
    }
}

/// That the parts of a message are inside it, and need no more memory than a message may.
fn check_claims(batch: arrow_ipc::RecordBatch<'_>, body: &Buffer) -> Result<(), String> {
    let mut claimed = 0_usize;
    for buffer in batch.buffers().iter().flatten() {
        let part = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(start, length)| body.get(start..start.checked_add(length)?))
            .ok_or("a message points outside itself")?;
        let unpacked = match part.first_chunk() {
            // -1 says that this part is not packed after all.
            Some(length) if batch.compression().is_some() => match i64::from_le_bytes(*length) {
                -1 => part.len(),
                length => usize::try_from(length).map_err(|_| "a message claims a negative length")?,
            },
            _ => part.len(),
        };
        claimed = claimed.saturating_add(unpacked);
    }
    let rows = usize::try_from(batch.length()).map_err(|_| "a message claims a negative number of rows")?;
    if claimed > MESSAGE_BYTES_MAX || rows > MESSAGE_BYTES_MAX {
        return Err(format!("a message claims {rows} rows in {claimed} bytes"));
    }
    Ok(())
}
