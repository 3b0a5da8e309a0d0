//! The messages of `profile.proto` for prost, an encoder that shares nothing with the reader, and a builder on top.
#![allow(dead_code, unreachable_pub)] // each test or benchmark uses a part

use std::collections::HashMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct Profile {
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub period: i64,
    #[prost(int64, repeated, tag = "13")]
    pub comment: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub doc_url: i64,
    /// Not in the format: what a later version could add.
    #[prost(string, tag = "900")]
    pub unknown: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct ValueType {
    #[prost(int64, tag = "1")]
    pub r#type: i64,
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Label {
    #[prost(int64, tag = "1")]
    pub key: i64,
    #[prost(int64, tag = "2")]
    pub str: i64,
    #[prost(int64, tag = "3")]
    pub num: i64,
    #[prost(int64, tag = "4")]
    pub num_unit: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Mapping {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "5")]
    pub filename: i64,
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Location {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub mapping_id: u64,
    #[prost(uint64, tag = "3")]
    pub address: u64,
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Line {
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    #[prost(int64, tag = "2")]
    pub line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Function {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "2")]
    pub name: i64,
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    #[prost(int64, tag = "4")]
    pub filename: i64,
}

/// Builds profiles as Go does: one function entry per name and file, ids from 1.
#[derive(Default)]
pub struct Builder {
    pub profile: Profile,
    strings: HashMap<String, i64>,
    functions: HashMap<(String, String), u64>,
}

impl Builder {
    /// A profile of `kind`, as `goroutine`.
    pub fn new(kind: &str) -> Self {
        let mut builder = Self::default();
        builder.string("");
        let kind = ValueType {
            r#type: builder.string(kind),
            unit: builder.string("count"),
        };
        builder.profile.sample_type.push(kind);
        builder.profile.period_type = Some(kind);
        builder.profile.period = 1;
        builder
    }

    pub fn string(&mut self, text: &str) -> i64 {
        if let Some(index) = self.strings.get(text) {
            return *index;
        }
        let index = self.profile.string_table.len() as i64;
        self.profile.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), index);
        index
    }

    pub fn function(&mut self, name: &str, file: &str) -> u64 {
        let key = (name.to_owned(), file.to_owned());
        if let Some(id) = self.functions.get(&key) {
            return *id;
        }
        let id = self.profile.function.len() as u64 + 1;
        let function = Function {
            id,
            name: self.string(name),
            system_name: self.string(name),
            filename: self.string(file),
        };
        self.profile.function.push(function);
        self.functions.insert(key, id);
        id
    }

    /// A location with these lines, leaf first.
    pub fn location(&mut self, lines: &[(&str, &str, i64)]) -> u64 {
        let id = self.profile.location.len() as u64 + 1;
        let line = lines
            .iter()
            .map(|(name, file, line)| Line {
                function_id: self.function(name, file),
                line: *line,
            })
            .collect();
        self.profile.location.push(Location {
            id,
            mapping_id: 1,
            address: 0x40_0000 + id * 16,
            line,
        });
        id
    }

    /// A sample; a label is (key, value).
    pub fn sample(&mut self, count: i64, location_id: &[u64], labels: &[(&str, &str)]) {
        let label = labels
            .iter()
            .map(|(key, value)| Label {
                key: self.string(key),
                str: self.string(value),
                ..Label::default()
            })
            .collect();
        self.profile.sample.push(Sample {
            location_id: location_id.to_vec(),
            value: vec![count],
            label,
        });
    }

    pub fn encode(&self) -> Vec<u8> {
        self.profile.encode_to_vec()
    }
}

/// A profile of a service under load: `stacks` distinct stacks of 12 to 24 frames over a few thousand locations, two
/// labels each.
pub fn service(stacks: u64) -> Vec<u8> {
    let mut builder = Builder::new("goroutine");
    let locations: Vec<u64> = (0..4000_u64)
        .map(|number| {
            let package = format!("example.com/shop/internal/part{:02}", number % 60);
            let name = format!(
                "{package}.(*Server).handle{}.func{}",
                number / 8,
                number % 8
            );
            let file = format!(
                "/src/shop/internal/part{:02}/file{}.go",
                number % 60,
                number % 7
            );
            builder.location(&[(&name, &file, 10 + (number * 7 % 900) as i64)])
        })
        .collect();
    let park = builder.location(&[("runtime.gopark", "/go/src/runtime/proc.go", 462)]);
    let receive = builder.location(&[
        ("runtime.chanrecv", "/go/src/runtime/chan.go", 667),
        ("runtime.chanrecv1", "/go/src/runtime/chan.go", 509),
    ]);
    // A multiplicative congruence: varied, and the same in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for number in 0..stacks {
        let depth = 10 + random(13);
        let mut ids = vec![park, receive];
        ids.extend((0..depth).map(|_| locations[random(4000) as usize]));
        let route = format!("/api/v{}/items", random(40));
        let worker = format!("pool-{}", number % 16);
        let labels = [("route", route.as_str()), ("pool", worker.as_str())];
        builder.sample(1 + random(50) as i64, &ids, &labels);
    }
    builder.encode()
}
