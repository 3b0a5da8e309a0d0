//! Addresses: what a URL asks for, and how it may be shown.

use url::Url;

use super::{Auth, Debug, Profile, Secret};
use crate::Error;

/// The path under which `net/http/pprof` registers itself.
const PPROF: &str = "/debug/pprof";

/// An endpoint, or the base of a program's endpoints.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    /// Without user and password.
    url: Url,
    /// From the URL, or set by the caller; goes before that of the options.
    pub auth: Option<Auth>,
    /// What to ask a base for. An endpoint is what it is.
    pub profile: Profile,
    /// In which format.
    pub debug: Debug,
}

impl HttpTarget {
    /// Reads an `http` or `https` URL. User and password in it become basic credentials.
    ///
    /// # Errors
    /// When it is no such URL. The message does not repeat it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // Go programs name their own address without a host.
        let local = text.replacen("://:", "://localhost:", 1);
        let mut url = Url::parse(&local).map_err(|error| Error::Url {
            why: error.to_string(),
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Error::Url {
                why: "it is not an http or https URL with a host".into(),
            });
        }
        let auth = take_auth(&mut url);
        url.set_fragment(None);
        Ok(Self {
            url,
            auth,
            profile: Profile::default(),
            debug: Debug::default(),
        })
    }

    /// The URL without credentials.
    pub fn name(&self) -> String {
        shown(&self.url)
    }

    /// Whether it is the root of a host or of `net/http/pprof`, so that what to ask for is ours to choose.
    pub fn is_base(&self) -> bool {
        let path = self.url.path().trim_end_matches('/');
        path.is_empty() || path.ends_with(PPROF)
    }

    /// The address of the profile: below a base that of [`HttpTarget::profile`], else the endpoint itself.
    pub(crate) fn profile_url(&self, debug: Option<u8>) -> Url {
        let mut url = self.url.clone();
        if self.is_base() {
            let base = url.path().trim_end_matches('/');
            let base = if base.is_empty() { PPROF } else { base };
            let path = format!("{base}/{}", self.profile.name());
            url.set_path(&path);
        }
        if let Some(level) = debug {
            set_debug(&mut url, level);
        }
        url
    }
}

/// debug=0 is what no parameter means.
fn set_debug(url: &mut Url, level: u8) {
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != "debug")
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(&others);
    }
    if level != 0 {
        url.query_pairs_mut()
            .append_pair("debug", &level.to_string());
    }
}

fn take_auth(url: &mut Url) -> Option<Auth> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let user = super::text::percent_decode(url.username());
    let password = super::text::percent_decode(url.password().unwrap_or_default());
    // Neither can fail on a URL that had them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(Auth::Basic {
        user,
        password: Secret::new(password),
    })
}

/// Parameters of `net/http/pprof`, harmless to show. Any other may be a token.
const SHOWN_PARAMETERS: [&str; 3] = ["debug", "seconds", "gc"];

/// A URL for people: no user, no password, and of unknown parameters only the names.
pub(crate) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    shown.set_query(None);
    let mut text = shown.to_string();
    for (index, (key, value)) in url.query_pairs().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(&super::text::one_line(&key, 64));
        text.push('=');
        if SHOWN_PARAMETERS.contains(&&*key) {
            text.push_str(&super::text::one_line(&value, 16));
        } else {
            text.push_str("***");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, debug: Option<u8>, asked: &str, name: &str) {
        let target = HttpTarget::parse(given).unwrap();
        assert_eq!(target.profile_url(debug).as_str(), asked, "{given}");
        assert_eq!(target.name(), name, "{given}");
    }

    #[test]
    fn a_base_leads_to_the_profile_and_an_endpoint_to_itself() {
        let goroutine = "http://h:6060/debug/pprof/goroutine";
        for base in ["", "/", "/debug/pprof", "/debug/pprof/"] {
            let given = format!("http://h:6060{base}");
            let target = HttpTarget::parse(&given).unwrap();
            assert!(target.is_base(), "{given}");
            assert_eq!(target.profile_url(Some(0)).as_str(), goroutine);
        }
        check(
            "http://h/admin/debug/pprof/",
            Some(2),
            "http://h/admin/debug/pprof/goroutine?debug=2",
            "http://h/admin/debug/pprof/",
        );
        let custom = "https://h/dump?debug=1";
        check(custom, None, custom, custom);
        check(custom, Some(2), "https://h/dump?debug=2", custom);
    }

    #[test]
    fn credentials_are_taken_out_of_sight() {
        check(
            "http://me:p%40ss@h/x?token=abc&debug=1",
            None,
            "http://h/x?token=abc&debug=1",
            "http://h/x?token=***&debug=1",
        );
        let target = HttpTarget::parse("http://me:p%40ss@h/").unwrap();
        let Some(Auth::Basic { user, password }) = &target.auth else {
            panic!("{target:?}");
        };
        assert_eq!((user.as_str(), password.expose()), ("me", "p@ss"));
        assert!(!format!("{target:?}").contains("p@ss"));
    }

    #[test]
    fn a_bad_address_is_not_repeated() {
        for given in [
            "http://",
            "http://me:secret@h:99999/",
            "http://secret host/",
        ] {
            let message = HttpTarget::parse(given).unwrap_err().to_string();
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
