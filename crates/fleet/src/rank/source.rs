//! The source filter: waits that end by themselves are no leaks, however many there are. As LeakProf does, the blocked line
//! is looked up in the source.

use gorphan_lint::syntax::transient::{Reason, Wait, waits};
use gorphan_lint::syntax::{Bodies, Interner, Names, parse};
use gorphan_model::Operation;
use gorphan_model::group::Site;

/// Bytes of a source file that are parsed.
const MAX_SOURCE_BYTES: usize = 8 << 20;

/// Why a wait at this site ends by itself, if the source shows that it does. `lookup` gives the text of a file by the name
/// that stacks give it.
pub fn transient(site: &Site, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let by_channel = matches!(site.operation, Operation::ChanReceive | Operation::Select);
    if !by_channel || site.line == 0 {
        return None;
    }
    let text = lookup(&site.file).filter(|text| text.len() <= MAX_SOURCE_BYTES)?;
    let names = Names::new();
    let file = parse(text.into_bytes(), &mut Interner::new(&names), Bodies::Parse);
    let Wait::Transient { reason, span } = waits(&file, &names, site.line) else {
        return None;
    };
    let why = match reason {
        Reason::Default => "the select has a default and does not wait",
        Reason::After => "the wait ends with time.After",
        Reason::Tick => "the wait ends with time.Tick",
        Reason::Timer => "the wait ends with a timer",
        Reason::Ticker => "the wait ends with a ticker",
        Reason::Deadline => "the wait ends with the deadline of a context",
    };
    Some(format!("{why} ({})", file.text(span)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(operation: Operation, line: u32, expected: Option<&str>) {
        let source = "package p\n\nimport \"time\"\n\nfunc f(c chan int) {\n\tselect {\n\tcase <-c:\n\tcase <-time.After(1):\n\t}\n\t<-c\n}\n";
        let site = Site {
            operation,
            function: "p.f".into(),
            file: "p.go".into(),
            line,
        };
        let lookup = |name: &str| (name == "p.go").then(|| source.to_owned());
        assert_eq!(transient(&site, &lookup).as_deref(), expected);
    }

    #[test]
    fn only_waits_that_end_by_themselves_are_dismissed() {
        check(
            Operation::Select,
            6,
            Some("the wait ends with time.After (time.After(1))"),
        );
        check(Operation::ChanReceive, 10, None);
        check(Operation::ChanSend, 6, None);
        check(Operation::Select, 0, None);
    }
}
