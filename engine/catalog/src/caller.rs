//! Who asks. The server knows and says so; nothing here checks roles.

use crate::error::{Error, Result};

/// Characters of a name at most: of labels, deliveries, people, placements.
pub(crate) const NAME_CHARS_MAX: usize = 200;

/// Who asks for something, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name that goes into the audit.
    pub user: String,
    /// Whether private labels of others are seen.
    pub admin: bool,
    /// The request's id, for the audit; may be empty.
    pub request: String,
}

impl Caller {
    /// Somebody without further rights.
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), admin: false, request: String::new() }
    }

    /// Somebody who sees everything.
    pub fn admin(user: impl Into<String>) -> Self {
        Self { admin: true, ..Self::new(user) }
    }

    /// The same in this request.
    pub fn in_request(mut self, request: impl Into<String>) -> Self {
        self.request = request.into();
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_name("user", &self.user)
    }
}

/// Fails unless this can be a name: the same bytes must mean the same name in every database.
pub(crate) fn check_name(field: &'static str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(field, "it is empty; give one"));
    }
    check_short(field, name)
}

/// Fails unless this can be a name or nothing.
pub(crate) fn check_short(field: &'static str, text: &str) -> Result<()> {
    if text.trim() != text {
        return Err(Error::invalid(field, "it begins or ends with a space; leave that out"));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "it has a control character in it; leave that out"));
    }
    let chars = text.chars().count();
    if chars > NAME_CHARS_MAX {
        return Err(Error::invalid(
            field,
            format!("it has {chars} characters, more than {NAME_CHARS_MAX}; shorten it"),
        ));
    }
    Ok(())
}

/// Fails if a longer text, such as a description or a comment, is too long.
pub(crate) fn check_text(field: &'static str, text: &str) -> Result<()> {
    /// Bytes of a text for people at most.
    const TEXT_BYTES_MAX: usize = 64 << 10;
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::invalid(
            field,
            format!("it has {} bytes, more than {TEXT_BYTES_MAX}; shorten it", text.len()),
        ));
    }
    if text.contains('\0') {
        return Err(Error::invalid(field, "it has a zero byte in it; leave that out"));
    }
    Ok(())
}

/// The first characters of a text that others chose, as many as a name may have.
pub(crate) fn shortened(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARS_MAX)
        .collect::<String>()
        .trim_end()
        .to_owned()
}
