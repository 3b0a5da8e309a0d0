//! What messages say, in plain text; each kind escapes it in its own way.

use gorphan_model::Verdict;

use crate::ledger::{Event, Notice, Parcel};

/// Frames of a stack in a message; the rest is on the page.
const MAX_FRAMES: usize = 12;

/// `New goroutine leak in shop: chan send at main.f (main.go:41)`.
pub(super) fn title(notice: &Notice) -> String {
    let what = match (notice.event, notice.verdict()) {
        // Only proof says leak.
        (Event::New, Verdict::Growing) => "Growing goroutines",
        (Event::New, Verdict::Suspect | Verdict::Normal) => "Suspect goroutines",
        (event, _) => event.words(),
    };
    format!("{what} in {}: {}", notice.service, notice.place())
}

/// Name and text, for the details of a message.
pub(super) fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        (
            "Goroutines",
            format!(
                "{} in all; {} in the worst instance, {}",
                notice.total, notice.max, notice.worst
            ),
        ),
        (
            "Instances",
            format!("{} of {} have it", notice.instances, notice.instances_all),
        ),
    ];
    if let Some(rate) = notice.per_hour {
        facts.push(("Growth", format!("{rate:.1} an instance and hour")));
    }
    if !notice.version.is_empty() {
        let first = match &notice.first_version {
            Some(first) if *first != notice.version => {
                format!("; {first} is the first known to have it")
            }
            _ => String::new(),
        };
        facts.push(("Version", format!("{}{first}", notice.version)));
    }
    facts.push(("First seen", time(notice.first_seen)));
    if let Some(owner) = &notice.owner {
        facts.push(("Owner", owner.clone()));
    }
    if let Some(hours) = notice.hours_to_limit {
        let text = match hours {
            hours if hours >= 48.0 => format!("{:.0} days", hours / 24.0),
            hours => format!("{hours:.0} hours"),
        };
        facts.push(("Memory limit in", text));
    }
    facts
}

/// The start of the stack, two lines a frame as Go prints it.
pub(super) fn stack(notice: &Notice) -> String {
    let mut text = String::new();
    for frame in notice.stack.iter().take(MAX_FRAMES) {
        text.push_str(&frame.function);
        if !frame.file.is_empty() {
            text.push_str(&format!("\n    {}:{}", frame.file, frame.line));
        }
        text.push('\n');
    }
    let more = notice.stack.len().saturating_sub(MAX_FRAMES);
    if more > 0 {
        text.push_str(&format!("... {more} more\n"));
    }
    text
}

/// `4 goroutine leaks since yesterday: 2 new, 1 grown, 1 gone`.
pub(super) fn digest_title(parcel: &Parcel) -> String {
    let count = |event: Event| parcel.notices.iter().filter(|it| it.event == event).count();
    let words = [
        (Event::New, "new"),
        (Event::Reopened, "back"),
        (Event::Grown, "grown"),
        (Event::NewVersion, "in a new version"),
        (Event::Resolved, "gone"),
    ];
    let parts: Vec<String> = words
        .into_iter()
        .filter(|(event, _)| count(*event) > 0)
        .map(|(event, word)| format!("{} {word}", count(event)))
        .collect();
    format!("Goroutine leaks of the day: {}", parts.join(", "))
}

pub(super) fn time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or("?".to_owned(), |time| {
        time.strftime("%Y-%m-%d %H:%M UTC").to_string()
    })
}

/// RFC 3339, as JSON has it.
pub(super) fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |it| it.to_string())
}

/// At most so many characters; what is cut off is said.
pub(super) fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    format!("{kept}\u{2026}")
}
