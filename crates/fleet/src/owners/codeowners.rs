//! CODEOWNERS as GitHub reads it: the last line whose pattern fits decides, and one without owners takes them away.

/// Lines that are read.
const MAX_LINES: usize = 20_000;
/// Parts of a path or pattern.
const MAX_PARTS: usize = 128;
/// Problems of one file that are told.
const MAX_PROBLEMS: usize = 5;

/// The lines of a file.
#[derive(Debug, Default)]
pub(super) struct CodeOwners {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// Empty where the file takes ownership away.
    owners: String,
}

/// A pattern in parts.
#[derive(Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    /// It fits folders alone, which is everything in them.
    folder: bool,
    /// It fits no more than it says: `docs/*` is not `docs/a/b`.
    exact: bool,
}

#[derive(Debug, PartialEq)]
enum Part {
    /// `**`: any number of parts.
    Any,
    /// Characters of one part.
    Text(Vec<Token>),
}

#[derive(Debug, PartialEq)]
enum Token {
    One(char),
    /// `?`
    Each,
    /// `*`
    Run,
}

impl CodeOwners {
    /// Reads a file. Lines that GitHub would not understand are left out and said.
    pub(super) fn parse(text: &str, file: &str, problems: &mut Vec<String>) -> Self {
        let mut rules = Vec::new();
        let mut wrong = 0_usize;
        for (index, line) in text.lines().take(MAX_LINES).enumerate() {
            match rule(line) {
                Ok(None) => {}
                Ok(Some(rule)) => rules.push(rule),
                Err(why) => {
                    wrong += 1;
                    if wrong <= MAX_PROBLEMS {
                        problems.push(format!(
                            "owners: {file}:{}: {why}; the line is left out",
                            index + 1
                        ));
                    }
                }
            }
        }
        if wrong > MAX_PROBLEMS {
            let more = wrong - MAX_PROBLEMS;
            problems.push(format!("owners: {file}: {more} further lines are left out"));
        }
        if text.lines().nth(MAX_LINES).is_some() {
            problems.push(format!(
                "owners: {file} has more than {MAX_LINES} lines; the rest is not read"
            ));
        }
        Self { rules }
    }

    /// The owners of a file, given relative to the root with `/`.
    pub(super) fn owner(&self, path: &str) -> Option<String> {
        let mut rules = self.rules.iter().rev();
        let rule = rules.find(|rule| rule.pattern.fits(path))?;
        (!rule.owners.is_empty()).then(|| rule.owners.clone())
    }
}

fn rule(line: &str) -> Result<Option<Rule>, String> {
    let mut words = Words(line.trim()).filter(|word| !word.is_empty());
    let Some(pattern) = words.next().filter(|word| !word.starts_with('#')) else {
        return Ok(None);
    };
    let pattern = Pattern::parse(pattern)?;
    let mut owners = Vec::new();
    for word in words.take_while(|word| !word.starts_with('#')) {
        let is_owner = match word.strip_prefix('@') {
            Some(name) => !name.is_empty() && !name.contains('@'),
            None => word.split_once('@').is_some_and(|(name, host)| {
                !name.is_empty() && !host.is_empty() && !host.contains('@')
            }),
        };
        if !is_owner {
            return Err(format!(
                "{word:?} is neither @name, @org/team nor an address"
            ));
        }
        owners.push(word);
    }
    Ok(Some(Rule {
        pattern,
        owners: owners.join(" "),
    }))
}

/// Words between white space, of which a backslash makes a part.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start();
        if rest.is_empty() {
            return None;
        }
        let mut escaped = false;
        let end = rest.find(|c: char| {
            let ends = c.is_whitespace() && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.0 = rest;
        Some(word)
    }
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('!') {
            return Err("\"!\" has no meaning here".to_owned());
        }
        if text.contains(['[', ']']) {
            return Err("ranges in brackets have no meaning here".to_owned());
        }
        let folder = text.ends_with('/');
        let inner = text.strip_suffix('/').unwrap_or(text);
        // With a slash before its end a pattern begins at the root; else it may begin anywhere.
        let anchored = inner.contains('/');
        let inner = inner.strip_prefix('/').unwrap_or(inner);
        let mut parts: Vec<Part> = Vec::new();
        if !anchored && !inner.is_empty() {
            parts.push(Part::Any);
        }
        for part in inner.split('/') {
            let part = if part == "**" {
                Part::Any
            } else {
                Part::Text(tokens(part))
            };
            // Two in a row mean what one means.
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        if parts.len() > MAX_PARTS || inner.is_empty() && !folder {
            return Err("the pattern cannot be read".to_owned());
        }
        let whole = parts.last() == Some(&Part::Text(vec![Token::Run]));
        Ok(Self {
            exact: anchored && whole && !folder,
            parts,
            folder,
        })
    }

    /// Whether a file has the pattern, or is in a folder that has it.
    pub(super) fn fits(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        if names.is_empty() || names.len() > MAX_PARTS {
            return false;
        }
        if self.parts == [Part::Text(Vec::new())] {
            // "/" is the root and everything in it.
            return true;
        }
        let reach = self.reach(&names);
        let folders = reach.iter().take(names.len()).skip(1).any(|fits| *fits);
        let itself = reach.last() == Some(&true);
        match (self.folder, self.exact) {
            (true, _) => folders,
            (false, true) => itself,
            (false, false) => itself || folders,
        }
    }

    /// For each number of names from the start, whether they have the whole pattern.
    fn reach(&self, names: &[&str]) -> Vec<bool> {
        let mut row = vec![false; names.len() + 1];
        if let Some(first) = row.first_mut() {
            *first = true;
        }
        for (index, part) in self.parts.iter().enumerate() {
            let last = index + 1 == self.parts.len();
            let mut next = vec![false; row.len()];
            match part {
                Part::Any => {
                    let mut on = false;
                    for (slot, was) in next.iter_mut().zip(&row) {
                        // "a/**" is what is in a, not a itself.
                        *slot = if last { on } else { on || *was };
                        on |= *was;
                    }
                }
                Part::Text(tokens) => {
                    let moved = next.iter_mut().skip(1).zip(&row).zip(names);
                    for ((slot, was), name) in moved {
                        *slot = *was && fits(tokens, name);
                    }
                }
            }
            row = next;
        }
        row
    }
}

fn tokens(part: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        let token = match c {
            '\\' => Token::One(chars.next().unwrap_or('\\')),
            '?' => Token::Each,
            '*' => Token::Run,
            c => Token::One(c),
        };
        if token != Token::Run || tokens.last() != Some(&Token::Run) {
            tokens.push(token);
        }
    }
    tokens
}

/// Whether a name has a pattern; time goes with the product of their lengths.
fn fits(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut row = vec![false; name.len() + 1];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    for token in tokens {
        let mut next = vec![false; row.len()];
        if *token == Token::Run {
            let mut on = false;
            for (slot, was) in next.iter_mut().zip(&row) {
                on |= *was;
                *slot = on;
            }
        } else {
            for ((slot, was), c) in next.iter_mut().skip(1).zip(&row).zip(&name) {
                let same = match token {
                    Token::One(one) => one == c,
                    Token::Each | Token::Run => true,
                };
                *slot = *was && same;
            }
        }
        row = next;
    }
    row.last() == Some(&true)
}
