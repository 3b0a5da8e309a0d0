//! Clients that are kept from sweep to sweep: to make one reads certificates, the system's as well.

use std::time::Duration;

use crate::config::HttpConfig;
use crate::http::{Client, FetchError};

/// A client is made anew after so long: files with certificates change without notice.
const RENEWED_AFTER: Duration = Duration::from_secs(3600);

/// Clients by the settings that they were made with. Settings that nobody asks for any more go with time.
#[derive(Default)]
pub(crate) struct Clients {
    made: Vec<Made>,
}

struct Made {
    config: HttpConfig,
    at: Duration,
    client: Client,
}

impl Clients {
    /// The client for some settings. `now` counts from any fixed moment.
    ///
    /// # Errors
    /// When it cannot be made as it is configured.
    pub(crate) fn get(&mut self, config: &HttpConfig, now: Duration) -> Result<Client, FetchError> {
        self.made
            .retain(|made| now.saturating_sub(made.at) < RENEWED_AFTER);
        if let Some(made) = self.made.iter().find(|made| made.config == *config) {
            return Ok(made.client.clone());
        }
        let client = Client::new(config)?;
        self.made.push(Made {
            config: config.clone(),
            at: now,
            client: client.clone(),
        });
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(clients: &Clients) -> Vec<u64> {
        clients.made.iter().map(|made| made.at.as_secs()).collect()
    }

    #[test]
    fn a_client_is_made_once_an_hour_and_for_each_settings() {
        let mut clients = Clients::default();
        let other = HttpConfig {
            enable_http2: false,
            ..HttpConfig::default()
        };
        let mut get = |config: &HttpConfig, seconds| {
            let client = clients.get(config, Duration::from_secs(seconds));
            client.expect("it can be made");
            times(&clients)
        };
        let usual = HttpConfig::default();
        assert_eq!(get(&usual, 10), [10]);
        assert_eq!(get(&usual, 3_000), [10]);
        assert_eq!(get(&other, 3_000), [10, 3_000]);
        assert_eq!(get(&usual, 3_610), [3_000, 3_610]);
        assert_eq!(get(&usual, 9_000), [9_000], "nobody asks for the other");
    }
}
