//! `web`: where the pages are served, and to whom.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::Read;
use super::yaml::Section;

/// Where the pages are unless it is configured.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7475);

/// Where the token comes from that one must have to see the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// The first line of a file, read when the server starts.
    File(PathBuf),
    /// A new one each time the server starts; it is printed.
    Generated,
}

/// The server of the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// `None` only on a loopback address.
    pub token: Option<Token>,
    /// Names of this server besides `localhost` and IP addresses; others are refused, so that no foreign page can reach it by
    /// a name that it owns.
    pub hosts: Vec<String>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            token: None,
            hosts: Vec::new(),
        }
    }
}

/// Whether pages at that address need a token.
pub fn needs_token(listen: SocketAddr) -> bool {
    !listen.ip().to_canonical().is_loopback()
}

/// What to do about an address that needs a token.
pub const TOKEN_ADVICE: &str = "name a file with a token in web.token_file, or set web.generate_token: true to have one \
                                made and printed at each start";

pub(super) fn read(section: Section<'_>, folder: &Path) -> Read<WebConfig> {
    let source = section.source;
    let mut web = WebConfig::default();
    if let (Some(text), Some(node)) = (section.text("listen")?, section.get("listen")) {
        let parsed = text.parse().map_err(|_| {
            let message = format!("{text:?} is no address with a port");
            let mut error = source.error(node, message);
            error.advice = Some(format!("write it as {DEFAULT_LISTEN} or [::1]:7475"));
            error
        });
        web.listen = parsed?;
    }
    let file = section.text("token_file")?.map(|path| folder.join(path));
    let generated = section.flag("generate_token")?.unwrap_or(false);
    if let (Some(_), true, Some(node)) = (&file, generated, section.get("generate_token")) {
        let message = "there is a token_file already: a token is read or generated, not both";
        return Err(source.error(node, message));
    }
    web.token = file
        .map(Token::File)
        .or(generated.then_some(Token::Generated));
    if web.token.is_none() && needs_token(web.listen) {
        let node = section.get("listen").unwrap_or(section.node);
        let message = format!(
            "other machines can reach {}, and there is no token",
            web.listen
        );
        let mut error = source.error(node, message);
        error.advice = Some(TOKEN_ADVICE.to_owned());
        return Err(error);
    }
    web.hosts = section.texts("hosts")?;
    section.finish()?;
    Ok(web)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FleetConfig;

    #[track_caller]
    fn check(web: &str, expected: Result<WebConfig, &str>) {
        let text = format!("web: {web}\n");
        let parsed = FleetConfig::parse(&text, "gorphan.yaml", Path::new("/etc"));
        match (parsed, expected) {
            (Ok(config), Ok(expected)) => assert_eq!(config.web, expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (parsed, expected) => panic!("{:?} is not {expected:?}", parsed.map(|it| it.web)),
        }
    }

    #[test]
    fn what_others_can_reach_needs_a_token() {
        check("{}", Ok(WebConfig::default()));
        for loopback in ["127.0.0.1:80", "127.8.8.8:80", "'[::1]:80'"] {
            let listen = loopback.trim_matches('\'').parse().expect("an address");
            let web = WebConfig {
                listen,
                ..WebConfig::default()
            };
            check(&format!("{{listen: {loopback}}}"), Ok(web));
        }
        for open in ["0.0.0.0:80", "'[::]:80'", "10.0.0.1:80"] {
            check(&format!("{{listen: {open}}}"), Err("there is no token"));
        }
        let listen = "0.0.0.0:80".parse().expect("an address");
        check(
            "{listen: '0.0.0.0:80', token_file: token, hosts: [gorphan.corp]}",
            Ok(WebConfig {
                listen,
                token: Some(Token::File("/etc/token".into())),
                hosts: vec!["gorphan.corp".to_owned()],
            }),
        );
        check(
            "{listen: '0.0.0.0:80', generate_token: true}",
            Ok(WebConfig {
                listen,
                token: Some(Token::Generated),
                hosts: Vec::new(),
            }),
        );
        check("{token_file: t, generate_token: true}", Err("not both"));
        check("{listen: localhost}", Err("is no address"));
        check("{lisen: 1}", Err("unknown key"));
    }
}
