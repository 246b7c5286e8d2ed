//! `docs/grpc.md` is written from the descriptors, comments included; this fails when the two differ.
//!
//! `MUSTER_WRITE_DOCS=1 cargo test -p muster-proto --test page` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

const PACKAGE: &str = "muster.v1";
/// In the order of the page; what the others speak of comes last.
const FILES: [&str; 5] = [
    "muster/v1/segments.proto",
    "muster/v1/labels.proto",
    "muster/v1/deliveries.proto",
    "muster/v1/admin.proto",
    "muster/v1/types.proto",
];

const OPENING: &str = "\
# gRPC: package `muster.v1`

Written from the `.proto` files in [proto](../proto/muster/v1), which are the contract; `MUSTER_WRITE_DOCS=1 cargo test -p muster-proto --test page`
writes it again. How to call it from Python and Go, with deadlines, tokens and errors, is in [clients.md](clients.md).

A server answers reflection, so `grpcurl -plaintext 127.0.0.1:7070 describe muster.v1.Segments` tells the same, and
`grpc.health.v1.Health`, for the server as a whole and for each service.
";

/// Numbers of fields in descriptors, which paths to comments are made of.
mod place {
    pub(crate) const MESSAGE: i32 = 4;
    pub(crate) const ENUM: i32 = 5;
    pub(crate) const SERVICE: i32 = 6;
    pub(crate) const WITHIN: i32 = 2;
}

/// A file with its comments by place.
struct Source<'a> {
    file: &'a FileDescriptorProto,
    comments: BTreeMap<&'a [i32], &'a str>,
}

impl<'a> Source<'a> {
    fn new(file: &'a FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let comments = locations.filter_map(|at| Some((&at.path[..], at.leading_comments.as_deref()?)));
        Self { file, comments: comments.collect() }
    }

    /// What is said above something, on one line.
    fn said(&self, path: &[i32]) -> String {
        let comment = self
            .comments
            .get(path)
            .unwrap_or_else(|| panic!("no comment at {path:?} of {}", self.file.name()));
        comment
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
            .trim()
            .replace('|', "\\|")
            .replace('<', "&lt;")
    }

    fn service(&self, page: &mut String, at: i32, service: &ServiceDescriptorProto) {
        let said = self.said(&[place::SERVICE, at]);
        writeln!(
            page,
            "\n## {}\n\n{said}\n\n| method | from | to | |\n| --- | --- | --- | --- |",
            service.name()
        )
        .unwrap();
        for (method, number) in service.method.iter().zip(0..) {
            let of = |name: &str, streams: bool| {
                format!("{}{}", if streams { "stream of " } else { "" }, linked(name))
            };
            let from = of(method.input_type(), method.client_streaming());
            let to = of(method.output_type(), method.server_streaming());
            let said = self.said(&[place::SERVICE, at, place::WITHIN, number]);
            writeln!(page, "| `{}` | {from} | {to} | {said} |", method.name()).unwrap();
        }
    }

    fn message(&self, page: &mut String, at: i32, message: &DescriptorProto) {
        writeln!(page, "\n### {}\n\n{}", message.name(), self.said(&[place::MESSAGE, at])).unwrap();
        if !message.field.is_empty() {
            writeln!(page, "\n| field | number | type | |\n| --- | --- | --- | --- |").unwrap();
        }
        for (field, number) in message.field.iter().zip(0..) {
            let said = self.said(&[place::MESSAGE, at, place::WITHIN, number]);
            let choice = field.oneof_index.filter(|_| !field.proto3_optional());
            let choice = choice.map(|of| format!(" One of `{}`.", message.oneof_decl[of as usize].name()));
            let (name, ty) = (field.name(), type_of(field, message));
            writeln!(page, "| `{name}` | {} | {ty} | {said}{} |", field.number(), choice.unwrap_or_default())
                .unwrap();
        }
    }

    fn choice(&self, page: &mut String, at: i32, choice: &EnumDescriptorProto) {
        writeln!(page, "\n### {}\n\n{}\n", choice.name(), self.said(&[place::ENUM, at])).unwrap();
        writeln!(page, "| value | number | |\n| --- | --- | --- |").unwrap();
        for (value, number) in choice.value.iter().zip(0..) {
            let said = self.said(&[place::ENUM, at, place::WITHIN, number]);
            writeln!(page, "| `{}` | {} | {said} |", value.name(), value.number()).unwrap();
        }
    }
}

/// A message or an enum by name, with a link to where it is told.
fn linked(name: &str) -> String {
    match name.strip_prefix(&format!(".{PACKAGE}.")) {
        Some(name) => format!("[{name}](#{})", name.to_lowercase()),
        None => format!("`{}`", name.trim_start_matches('.')),
    }
}

fn type_of(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let single = || match field.r#type() {
        Type::Message | Type::Enum => linked(field.type_name()),
        other => format!("`{}`", other.as_str_name().trim_start_matches("TYPE_").to_lowercase()),
    };
    let entry = field.type_name().rsplit('.').next().unwrap_or_default();
    let entry = message.nested_type.iter().find(|nested| nested.name() == entry);
    if let Some(entry) =
        entry.filter(|entry| entry.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry))
    {
        return format!("map of {} to {}", type_of(&entry.field[0], entry), type_of(&entry.field[1], entry));
    }
    match field.label() {
        Label::Repeated => format!("repeated {}", single()),
        _ if field.proto3_optional() => format!("optional {}", single()),
        _ => single(),
    }
}

fn page() -> String {
    let set = FileDescriptorSet::decode(muster_proto::DESCRIPTORS).unwrap();
    let ours: Vec<_> = set.file.iter().filter(|file| file.package() == PACKAGE).collect();
    assert_eq!(ours.len(), FILES.len(), "a file that the page does not know");
    let mut page = OPENING.to_owned();
    for name in FILES {
        let source = Source::new(ours.iter().find(|file| file.name() == name).unwrap());
        for (service, at) in source.file.service.iter().zip(0..) {
            source.service(&mut page, at, service);
        }
        if source.file.service.is_empty() {
            page.push_str("\n## What several services speak of\n");
        }
        for (message, at) in source.file.message_type.iter().zip(0..) {
            source.message(&mut page, at, message);
        }
        for (choice, at) in source.file.enum_type.iter().zip(0..) {
            source.choice(&mut page, at, choice);
        }
    }
    page
}

#[test]
fn the_page_says_what_the_contract_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/grpc.md");
    let page = page();
    if std::env::var_os("MUSTER_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/grpc.md is stale; run with MUSTER_WRITE_DOCS=1 to write it again");
}

#[test]
fn links_lead_to_what_the_page_tells() {
    let page = page();
    let mut links = 0;
    for link in page.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        let heading =
            |line: &str| line.strip_prefix("### ").is_some_and(|name| name.to_lowercase() == anchor);
        assert!(page.lines().any(heading), "#{anchor}");
        links += 1;
    }
    assert!(links > 50, "{links}");
}
