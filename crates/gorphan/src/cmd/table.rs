//! Answers of a history as text.

use gorphan_fleet::history::{Table, Value};

use crate::args::history::TableFormat;
use crate::error::{Failure, Result};

/// Columns of a terminal that one value takes at most; the rest is cut.
const MAX_WIDTH: usize = 60;

/// Writes an answer.
pub(crate) fn render(table: &Table, format: TableFormat) -> Result<String> {
    match format {
        TableFormat::Terminal => Ok(terminal(table)),
        TableFormat::Json => json(table),
        TableFormat::Csv => Ok(csv(table)),
    }
}

fn terminal(table: &Table) -> String {
    let head = table
        .columns
        .iter()
        .map(|name| (name.to_uppercase(), false));
    let mut rows: Vec<Vec<(String, bool)>> = vec![head.collect()];
    for row in &table.rows {
        rows.push(row.iter().map(cell).collect());
    }
    let mut widths = vec![0; table.columns.len()];
    for row in &rows {
        for (width, (text, _)) in widths.iter_mut().zip(row) {
            *width = (*width).max(text.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for ((cell, is_number), width) in row.iter().zip(&widths) {
            if *is_number {
                line.push_str(&format!("{cell:>width$}  "));
            } else {
                line.push_str(&format!("{cell:width$}  "));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if table.truncated {
        let shown = table.rows.len();
        text.push_str(&format!(
            "\nonly the first {shown} rows are shown (--max-rows)\n"
        ));
    }
    text
}

/// A value for people, and whether it is a number.
fn cell(value: &Value) -> (String, bool) {
    let text = plain(value);
    let is_number = matches!(value, Value::Number(_) | Value::Count(_) | Value::Real(_));
    // What programs of the fleet are called comes from outside: nothing of it may steer the terminal.
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_WIDTH + 1)
        .collect();
    if shown.chars().count() > MAX_WIDTH {
        shown = shown
            .chars()
            .take(MAX_WIDTH - 1)
            .chain(std::iter::once('…'))
            .collect();
    }
    (shown, is_number)
}

/// A value as a text; nothing for none.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Count(count) => count.to_string(),
        Value::Real(real) => real.to_string(),
        Value::Time(millis) => time(*millis),
        Value::Text(text) => text.clone(),
    }
}

fn time(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| millis.to_string(), |at| at.to_string())
}

fn json(table: &Table) -> Result<String> {
    let rows: Vec<serde_json::Value> = table
        .rows
        .iter()
        .map(|row| {
            let values = row.iter().map(|value| match value {
                Value::Null => serde_json::Value::Null,
                Value::Flag(flag) => (*flag).into(),
                Value::Number(number) => (*number).into(),
                Value::Count(count) => (*count).into(),
                // What is not a number has no form in JSON.
                Value::Real(real) => (*real).into(),
                Value::Time(_) | Value::Text(_) => plain(value).into(),
            });
            serde_json::Value::Object(table.columns.iter().cloned().zip(values).collect())
        })
        .collect();
    let document = serde_json::json!({
        "version": 1,
        "columns": table.columns,
        "rows": rows,
        "truncated": table.truncated,
    });
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::new(format!("cannot write the answer as JSON: {error}")))?;
    Ok(text + "\n")
}

fn csv(table: &Table) -> String {
    let quoted = |text: &str| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let line = |cells: Vec<String>| cells.join(",") + "\r\n";
    let mut text = line(table.columns.iter().map(|name| quoted(name)).collect());
    for row in &table.rows {
        text.push_str(&line(
            row.iter().map(|value| quoted(&plain(value))).collect(),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |name: &str, count, real| {
            vec![
                Value::Time(1_767_225_600_500),
                Value::Text(name.to_owned()),
                Value::Count(count),
                Value::Real(real),
                Value::Null,
            ]
        };
        Table {
            columns: ["at", "name", "count", "share", "none"]
                .map(str::to_owned)
                .to_vec(),
            rows: vec![
                row("a,\"b\"\n\u{1b}[31m", 7, 0.5),
                row(&"x".repeat(70), 12_345, 12.25),
            ],
            truncated: true,
        }
    }

    #[test]
    fn an_answer_in_each_format() {
        let at = "2026-01-01T00:00:00.5Z";
        let line = |at, name: &str, count, share, none| {
            let text = format!("{at:22}  {name:60}  {count:>5}  {share:>5}  {none}");
            text.trim_end().to_owned() + "\n"
        };
        let expected = [
            // Names stand to the left, as texts do; here they are as wide as their columns.
            line("AT", "NAME", "COUNT", "SHARE", "NONE"),
            line(at, "a,\"b\"  [31m", "7", "0.5", ""),
            line(at, &format!("{}…", "x".repeat(59)), "12345", "12.25", ""),
            "\nonly the first 2 rows are shown (--max-rows)\n".to_owned(),
        ];
        assert_eq!(
            render(&table(), TableFormat::Terminal).unwrap(),
            expected.concat()
        );
        assert_eq!(
            render(&table(), TableFormat::Csv).unwrap(),
            format!(
                "at,name,count,share,none\r\n2026-01-01T00:00:00.5Z,\"a,\"\"b\"\"\n\u{1b}[31m\",7,0.5,\r\n\
                 2026-01-01T00:00:00.5Z,{},12345,12.25,\r\n",
                "x".repeat(70)
            )
        );
        let text = render(&table(), TableFormat::Json).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["rows"][0]["count"], 7);
        assert_eq!(json["rows"][0]["at"], "2026-01-01T00:00:00.5Z");
        assert_eq!(
            (&json["rows"][1]["none"], &json["truncated"]),
            (&serde_json::Value::Null, &true.into())
        );
    }
}
