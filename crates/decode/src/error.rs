//! Why an input could not be decoded.

/// Why an input gave no snapshot. Each message says what was found and what to try; the caller puts the target's name
/// in front.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading failed.
    #[error("cannot read the input: {0}")]
    Io(#[from] std::io::Error),
    /// There was nothing.
    #[error(
        "the input is empty; a goroutine dump or profile was expected (a profile comes from /debug/pprof/goroutine, a \
         dump from /debug/pprof/goroutine?debug=2 or `kill -QUIT PID`)"
    )]
    Empty,
    /// A web page stood where a dump or profile was expected.
    #[error(
        "a goroutine dump or profile was expected, a web page{} was found; ask for the endpoint itself (a path like \
         /debug/pprof/goroutine), and check for a login page or a proxy in between",
        title_text(title)
    )]
    Html {
        /// The page's title, where it has one.
        title: Option<String>,
    },
    /// A profile of something else.
    #[error(
        "a goroutine profile was expected, a profile of {found} was found; fetch /debug/pprof/goroutine instead"
    )]
    NotGoroutines {
        /// What the profile counts, as `alloc_space/bytes`, or its name.
        found: String,
    },
    /// A file that is neither text nor a profile.
    #[error("a goroutine dump or profile was expected, {found} was found; {help}")]
    Binary {
        /// What it is, with an article.
        found: &'static str,
        /// What to try.
        help: &'static str,
    },
    /// More bytes than the decoder keeps.
    #[error(
        "{what} is larger than the limit of {limit_bytes} bytes; nothing was decoded. Raise the limit, or capture fewer \
         goroutines"
    )]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// Compressed over and over.
    #[error("the input is compressed more than {limit} times over; unpack it first")]
    Nested {
        /// How many layers are unpacked.
        limit: usize,
    },
    /// The packed input gave nothing.
    #[error(
        "cannot unpack the {layer} input: it failed after {after_bytes} bytes ({error}); copy or capture it again"
    )]
    Unpack {
        /// The compression.
        layer: &'static str,
        /// Bytes unpacked before.
        after_bytes: u64,
        /// What the unpacker said.
        error: std::io::Error,
    },
    /// A profile too damaged to give any goroutine.
    #[error("the profile is damaged at byte {offset}: {what}; capture it again")]
    Damaged {
        /// Offset in the decompressed profile.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// Readable, but nothing in it is a goroutine.
    #[error(
        "no goroutine was found in {found}; a goroutine dump (`kill -QUIT PID`, /debug/pprof/goroutine?debug=2) or a \
         goroutine profile (/debug/pprof/goroutine) was expected"
    )]
    NoGoroutines {
        /// What the input looks like, as `12 lines of text`.
        found: String,
    },
    /// A file that is no log.
    #[error(
        "a gctrace log was expected, {found} was found; pass what a program run with GODEBUG=gctrace=1 writes to \
         standard error"
    )]
    NotLog {
        /// What it is, with an article.
        found: &'static str,
    },
    /// No line of a log is a collection.
    #[error(
        "no gctrace line was found in {lines} lines; run the program with GODEBUG=gctrace=1 and pass what it writes to \
         standard error"
    )]
    NoCollections {
        /// Lines read.
        lines: u64,
    },
}

/// The title as part of a sentence.
fn title_text(title: &Option<String>) -> String {
    match title {
        Some(title) => format!(" titled \"{title}\""),
        None => String::new(),
    }
}
