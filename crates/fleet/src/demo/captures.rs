//! What real programs said, as it was captured: `fixtures/capture-patterns.sh` makes it again.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use gorphan_model::Snapshot;

/// What one program said.
pub(super) struct Capture {
    pub(super) name: &'static str,
    /// Its goroutine profile, packed.
    profile: &'static [u8],
    /// Its dump, packed.
    dump: &'static [u8],
    /// The name of its source in stacks, and the source.
    source: (&'static str, &'static str),
}

macro_rules! capture {
    ($name:literal) => {
        capture!($name, "main.go")
    };
    ($name:literal, $file:literal) => {
        Capture {
            name: $name,
            profile: include_bytes!(concat!(
                "../../../../fixtures/captured/patterns/",
                $name,
                ".pb.gz"
            )),
            dump: include_bytes!(concat!(
                "../../../../fixtures/captured/patterns/",
                $name,
                ".dump.gz"
            )),
            source: (
                concat!("example.com/fixtures/", $name, "/", $file),
                include_str!(concat!("../../../../fixtures/go/", $name, "/", $file)),
            ),
        }
    };
}

/// The programs.
const CAPTURES: [Capture; 16] = [
    capture!("healthy-service"),
    capture!("mixed-service", "handlers.go"),
    capture!("conditional-premature-return"),
    capture!("n-cast"),
    capture!("timeout-with-context"),
    capture!("nil-channel-receive"),
    capture!("range-never-closed"),
    capture!("mutex-never-unlocked"),
    capture!("http-body-not-closed"),
    capture!("send-no-receiver"),
    capture!("receive-no-sender"),
    capture!("for-select-dead-channel"),
    capture!("waitgroup-mismatch"),
    capture!("cond-never-signalled"),
    capture!("select-no-cases"),
    capture!("ticker-loop-no-exit"),
];

/// The program that is healthy; every service has its goroutines.
pub(super) const HEALTHY: &str = "healthy-service";
/// What the runtime itself reported of one of them.
const REPORTED: &[u8] =
    include_bytes!("../../../../fixtures/captured/patterns/mixed-service.leak.pb.gz");
/// A heap profile as text.
const HEAP: &[u8] = include_bytes!("../../../../fixtures/captured/patterns/heap.debug1.gz");

pub(super) fn named(name: &str) -> Option<&'static Capture> {
    static ALL: [Capture; 16] = CAPTURES;
    ALL.iter().find(|capture| capture.name == name)
}

/// The source of the programs, by the names that stacks give its files.
pub fn source(name: &str) -> Option<String> {
    let mut sources = CAPTURES.into_iter().map(|capture| capture.source);
    let (_, text) = sources.find(|(known, _)| *known == name)?;
    Some(text.to_owned())
}

impl Capture {
    pub(super) fn snapshot(&self) -> Result<Snapshot, String> {
        read(self.profile)
    }

    /// The dump's goroutines, each with its header.
    pub(super) fn goroutines(&self) -> Vec<String> {
        let text = unpacked(self.dump);
        let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
        blocks.map(|block| block.trim_end().to_owned()).collect()
    }
}

/// The profile of what the runtime reported.
pub(super) fn reported() -> Result<Snapshot, String> {
    read(REPORTED)
}

/// The heap profile.
pub(super) fn heap() -> String {
    unpacked(HEAP)
}

fn read(profile: &[u8]) -> Result<Snapshot, String> {
    let read = gorphan_decode::read_bytes(profile, &gorphan_decode::Options::default());
    let mut snapshots = read.map_err(|error| error.to_string())?;
    let last = snapshots.pop();
    last.ok_or_else(|| "the capture has no goroutines".to_owned())
}

/// What is embedded is whole; a test reads all of it.
fn unpacked(packed: &[u8]) -> String {
    let mut text = String::new();
    let read = MultiGzDecoder::new(packed).read_to_string(&mut text);
    read.map_or_else(|_| String::new(), |_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_embedded_can_be_read() {
        for capture in &CAPTURES {
            let snapshot = capture.snapshot().expect("a profile");
            let dump = capture.goroutines();
            assert!(snapshot.goroutines() > 2, "{}", capture.name);
            assert!(dump.len() > 2, "{}", capture.name);
            assert!(source(capture.source.0).is_some());
        }
        let reported = reported().expect("a profile");
        assert_eq!(reported.profile, gorphan_model::ProfileKind::GoroutineLeak);
        assert!(heap().starts_with("heap profile: "));
    }
}
