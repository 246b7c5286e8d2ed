//! The rule language: from text or JSON to a tree, and from the tree back to text, JSON and SQL.

#[cfg(test)]
mod arbitrary;
pub mod ast;
pub mod bind;
#[cfg(test)]
mod documented;
pub mod error;
mod json;
pub mod labels;
pub mod limits;
pub mod outline;
mod print;
pub mod sql;
mod text;
